/* steady.h: what steady's long connections and its datagrams have in common. */
#ifndef STEADY_H
#define STEADY_H

#include "namespace.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

static inline long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* The byte that stands at a place of a connection or datagram: splitmix64's mixing, by eights. */
static inline uint8_t byte_at(uint64_t number, uint64_t place)
{
    uint64_t mixed = number * 0x9e3779b97f4a7c15u + (place >> 3) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (uint8_t)((mixed ^ mixed >> 31) >> 8 * (place & 7));
}

enum kind { LONG, REQUEST, ECHO, LISTENER };

struct target {
    struct sockaddr_in address;
    long rate; /* requests a second; of long connections, how many are still to be opened */
    long next;
    enum kind kind;
};

/* ADDRESS:PORT:NUMBER */
struct target target_of(const char *option, char *text, enum kind kind);

/* A port that no other long connection of ours has. The kernel gives the same one to connections to different destinations, and one to a service that has
   chosen a pod would then be the one to that pod: nobody translates sources on the way. */
void take_own_port(int fd);

/* Holds what it gets of so many connections to each Unix socket. */
void be_silent(const volatile sig_atomic_t *must_end, long most, int count, char **paths);

/* What happened to the datagrams of all streams since the last window; times in milliseconds. */
struct datagram_window {
    unsigned long sent, received, duplicate, late, wrong;
    long gap; /* nanoseconds */
    double p50, p99, p999;
};

int open_datagram_server(struct sockaddr_in address);
void answer_datagrams(void);
int add_stream(struct sockaddr_in address, int rate);
void send_datagrams(long time, bool is_quiet);
void read_datagrams(void);

/* quiet_since: when the last was sent. */
struct datagram_window close_datagram_window(long quiet_since, long time);

#endif
