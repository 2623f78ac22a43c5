/* steady-targets.c: how traffic is asked for on the command line. */
#define _GNU_SOURCE
#include "steady.h"

struct target target_of(const char *option, char *text, enum kind kind)
{
    char *count = strrchr(text, ':'), *port = NULL;
    if (count) {
        *count++ = '\0';
        port = strrchr(text, ':');
    }
    if (!port)
        end(2, "%s takes ADDRESS:PORT:NUMBER", option);
    *port++ = '\0';
    struct target target = {.kind = kind, .rate = number(option, count, 1, 100000), .address = {.sin_family = AF_INET}};
    target.address.sin_port = htons((uint16_t)number(option, port, 1, 65535));
    if (inet_pton(AF_INET, text, &target.address.sin_addr) != 1)
        end(2, "%s takes an IPv4 address, not '%s'", option, text);
    return target;
}

/* Below those that the lab keeps free for others. */
#define FIRST_OWN_PORT 2000
#define OWN_PORTS 8000

void take_own_port(int fd)
{
    static unsigned next;
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    for (int tries = 0; tries < OWN_PORTS; tries++) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(FIRST_OWN_PORT + next++ % OWN_PORTS))};
        if (!bind(fd, (struct sockaddr *)&own, sizeof own))
            return;
    }
    end(1, "no port from %d on is free: %s", FIRST_OWN_PORT, strerror(errno));
}
