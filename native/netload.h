/* netload.h: what the parts of netload share. */
#ifndef NETLOAD_H
#define NETLOAD_H

#define _GNU_SOURCE
#include "namespace.h"
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdbool.h>
#include <stdint.h>

/* What the command line asks for. */
struct load {
    const char *from;           /* namespace of the sender or client */
    const char *at;             /* namespace of the receiver or server */
    struct sockaddr_in target;  /* what the client addresses; may be a service */
    struct in_addr source;      /* flows and flood: the sender's address */
    int source_spread;          /* flood: last bits of the addresses that are thrown */
    int target_spread;
    const char *kind;           /* flood */
    int listen_port;            /* where the receiver is behind it; the target's port unless given */
    long rate;                  /* packets/s, 0: as many as possible; of streams bytes/s */
    long count;                 /* flows of udp and flows, connections of streams */
    int in_flight;
    double seconds;
    bool search;                /* udp: look for the highest rate without loss */
    char **command;             /* rr and streams: what to run meanwhile, or NULL */
};

int run_udp(const struct load *load);
int run_rr(const struct load *load);
int run_flows(const struct load *load);
int run_flood(const struct load *load);
int run_streams(const struct load *load);

/* Of 16-bit words as they lie, an odd last byte filled up. */
uint32_t sum_of(const void *data, size_t length);

/* RFC 1071, over what was summed before and over data. */
uint16_t internet_checksum(uint32_t sum, const void *data, size_t length);

/* RFC 9293 section 3.1, RFC 768: over addresses, protocol, length and the segment, whose own checksum is 0. */
uint16_t transport_checksum(const struct iphdr *ip, const void *segment, size_t length);

/* Seconds of a clock that only goes forward. */
double now(void);

/* Seconds that all processors of the machine have worked since boot, for anybody and for interrupts (proc(5), stat). */
double processor_seconds(void);

/* A process of our own that dies with us; runs work(argument) and never returns. */
void start_child(void (*work)(int), int argument);

#endif
