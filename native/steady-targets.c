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
