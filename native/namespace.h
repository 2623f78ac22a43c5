/* namespace.h: entering network namespaces, and ending with one sentence. Shared by the programs of this folder. */
#ifndef NAMESPACE_H
#define NAMESPACE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 2 for a mistake of the caller, 1 for what the machine refuses. */
__attribute__((noreturn, format(printf, 2, 3))) static inline void end(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(code);
}

/* A name under /run/netns, or a path. Sockets and TAPs belong to the namespace that is current when they are opened. */
static inline void enter_namespace(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, strchr(name, '/') ? "%s" : "/run/netns/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        end(errno == ENOENT ? 2 : 1, "no namespace %s: %s", name, strerror(errno));
    if (setns(fd, CLONE_NEWNET))
        end(1, "cannot enter the namespace %s: %s", name, strerror(errno));
    close(fd);
}

/* A whole number in a range. */
static inline long number(const char *option, const char *text, long least, long most)
{
    char *rest;
    errno = 0;
    long value = strtol(text, &rest, 10);
    if (errno || *text == '\0' || *rest != '\0' || value < least || value > most)
        end(2, "%s takes a number from %ld to %ld, not '%s'", option, least, most, text);
    return value;
}

#endif
