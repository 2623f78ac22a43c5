/* netload flows: a packet of each of many TCP flows, to fill the tables of who tracks them. */
#include "netload.h"
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define FIRST_PORT 1024
#define PORTS 64000

struct packet {
    struct iphdr ip;
    struct tcphdr tcp;
};

/* An ACK: for a tracker a flow that it has missed the beginning of, which lives as long as an established one. */
static void make(struct packet *packet, const struct load *load, long index)
{
    *packet = (struct packet){
        .ip = {.version = 4, .ihl = 5, .tot_len = htons(sizeof *packet), .ttl = 64, .protocol = IPPROTO_TCP,
               .saddr = load->source.s_addr, .daddr = load->target.sin_addr.s_addr},
        .tcp = {.source = htons((uint16_t)(FIRST_PORT + index % PORTS)), .dest = htons((uint16_t)(ntohs(load->target.sin_port) + index / PORTS)),
                .seq = htonl(1), .ack_seq = htonl(1), .doff = 5, .ack = 1, .window = htons(1024)},
    };
    packet->tcp.check = transport_checksum(&packet->ip, &packet->tcp, sizeof packet->tcp);
}

int run_flows(const struct load *load)
{
    static struct packet packets[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr = load->target.sin_addr};
    enter_namespace(load->from);
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        end(1, "no socket: %s", strerror(errno));
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){&packets[i], sizeof packets[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    double begun = now();
    for (long done = 0; done < load->count;) {
        int part = load->count - done < BATCH ? (int)(load->count - done) : BATCH;
        for (int i = 0; i < part; i++)
            make(&packets[i], load, done + i);
        int count = sendmmsg(fd, messages, (unsigned)part, 0);
        if (count < 0 && errno != ENOBUFS)
            end(1, "cannot send from %s: %s", load->from, strerror(errno));
        done += count > 0 ? count : 0;
        /* Behind the schedule of the rate: on at once. */
        double ahead = load->rate ? begun + (double)done / (double)load->rate - now() : 0;
        struct timespec nap = {.tv_nsec = (long)(ahead * 1e9)};
        if (ahead > 100e-6)
            nanosleep(&nap, NULL);
    }
    printf("{\"flows\":%ld,\"seconds\":%.3f}\n", load->count, now() - begun);
    return 0;
}
