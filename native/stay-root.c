/* stay-root: for programs that drop root's groups, in a user namespace of one user, where nobody may (user_namespaces(7): setgroups is denied). Preloaded, it lets
 * them believe that they have; root there is nobody outside. For the lab of ordinary users alone. */
#include <grp.h>

int initgroups(const char *user, gid_t group)
{
    (void)user;
    (void)group;
    return 0;
}

int setgroups(size_t count, const gid_t *groups)
{
    (void)count;
    (void)groups;
    return 0;
}
