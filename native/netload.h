/* netload.h: what the parts of netload share. */
#ifndef NETLOAD_H
#define NETLOAD_H

#define _GNU_SOURCE
#include "namespace.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* What the command line asks for. */
struct load {
    const char *from;           /* namespace of the sender or client */
    const char *at;             /* namespace of the receiver or server */
    struct sockaddr_in target;  /* what the client addresses; may be a service */
    struct in_addr source;      /* flows only: the sender's address */
    int listen_port;            /* where the receiver is behind it; the target's port unless given */
    long rate;                  /* packets/s, 0: as many as possible */
    long count;                 /* flows of udp and flows */
    int in_flight;
    double seconds;
    bool search;                /* udp: look for the highest rate without loss */
    char **command;             /* rr: what to run meanwhile, or NULL */
};

int run_udp(const struct load *load);
int run_rr(const struct load *load);
int run_flows(const struct load *load);

/* Seconds of a clock that only goes forward. */
double now(void);

/* Seconds that all processors of the machine have worked since boot, for anybody and for interrupts (proc(5), stat). */
double processor_seconds(void);

/* A process of our own that dies with us; runs work(argument) and never returns. */
void start_child(void (*work)(int), int argument);

#endif
