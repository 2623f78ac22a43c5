/* steady-silent.c: clients that come and never say a word. */
#define _GNU_SOURCE
#include "steady.h"
#include <sys/un.h>

void be_silent(const volatile sig_atomic_t *must_end, long most, int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", paths[i]);
        for (long made = 0; made < most; made++) {
            int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (fd < 0)
                break;
            if (connect(fd, (struct sockaddr *)&address, sizeof address))
                close(fd);
        }
    }
    while (!*must_end)
        pause();
}
