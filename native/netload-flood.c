/* netload flood: packets that want nothing but room in somebody's tables. Each is another's: nobody answers, and nobody comes back. */
#include "netload.h"
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define LONGEST 128
#define PAYLOAD_LENGTH 16
/* RFC 4861 sections 4.3 and 7.1.1. */
#define DISCOVERY_HOPS 255

struct frame {
    uint8_t bytes[LONGEST];
    size_t length;
    struct sockaddr_in target;
};

static uint64_t dice = 0x9e3779b97f4a7c15;

/* xorshift64 (Marsaglia 2003): the same packets each time. */
static uint32_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (uint32_t)(dice >> 32);
}

static uint16_t random_port(void) { return htons((uint16_t)(1024 + roll() % 64512)); }

/* An address with its last bits thrown, none of which may be 0 alone: networks have no address of their own in a flood. */
static uint32_t spread(struct in_addr address, int bits)
{
    uint32_t mask = bits == 0 ? 0 : 0xffffffffu >> (32 - bits);
    return htonl((ntohl(address.s_addr) & ~mask) | (((roll() & mask) | 1) & mask));
}

static void begin(struct frame *frame, const struct load *load, uint8_t protocol, size_t length)
{
    struct iphdr *ip = (struct iphdr *)frame->bytes;
    memset(frame->bytes, 0, sizeof *ip + length);
    *ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons((uint16_t)(sizeof *ip + length)), .ttl = 64, .protocol = protocol,
                         .saddr = spread(load->source, load->source_spread), .daddr = spread(load->target.sin_addr, load->target_spread)};
    frame->length = sizeof *ip + length;
    frame->target = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = ip->daddr};
}

static uint16_t target_port(const struct load *load) { return load->target.sin_port ? load->target.sin_port : random_port(); }

static void make_tcp(struct frame *frame, const struct load *load, uint16_t port)
{
    begin(frame, load, IPPROTO_TCP, sizeof(struct tcphdr));
    struct iphdr *ip = (struct iphdr *)frame->bytes;
    struct tcphdr *tcp = (struct tcphdr *)(ip + 1);
    *tcp = (struct tcphdr){.source = random_port(), .dest = port, .seq = roll(), .doff = 5, .syn = 1, .window = htons(1024)};
    tcp->check = transport_checksum(ip, tcp, sizeof *tcp);
}

static void make_syn(struct frame *frame, const struct load *load, long index)
{
    (void)index;
    make_tcp(frame, load, target_port(load));
}

/* Each port of the target in turn. */
static void make_scan(struct frame *frame, const struct load *load, long index) { make_tcp(frame, load, htons((uint16_t)(1 + index % 65535))); }

static void make_udp(struct frame *frame, const struct load *load, long index)
{
    (void)index;
    begin(frame, load, IPPROTO_UDP, sizeof(struct udphdr) + PAYLOAD_LENGTH);
    struct iphdr *ip = (struct iphdr *)frame->bytes;
    struct udphdr *udp = (struct udphdr *)(ip + 1);
    *udp = (struct udphdr){.source = random_port(), .dest = target_port(load), .len = htons(sizeof *udp + PAYLOAD_LENGTH)};
    udp->check = transport_checksum(ip, udp, sizeof *udp + PAYLOAD_LENGTH);
}

/* First pieces of datagrams whose rest never comes, and one rest in four whose first piece never came. */
static void make_fragment(struct frame *frame, const struct load *load, long index)
{
    make_udp(frame, load, index);
    struct iphdr *ip = (struct iphdr *)frame->bytes;
    ip->id = (uint16_t)roll();
    ip->frag_off = htons(index % 4 == 3 ? 185 : IP_MF);
}

/* Port unreachable about a packet that nobody sent. */
static void make_error(struct frame *frame, const struct load *load, long index)
{
    (void)index;
    begin(frame, load, IPPROTO_ICMP, sizeof(struct icmphdr) + sizeof(struct iphdr) + 8);
    struct iphdr *outer = (struct iphdr *)frame->bytes;
    struct icmphdr *icmp = (struct icmphdr *)(outer + 1);
    struct iphdr *inner = (struct iphdr *)(icmp + 1);
    uint16_t *ports = (uint16_t *)(inner + 1);
    *icmp = (struct icmphdr){.type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH};
    *inner = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons(40), .ttl = 63, .protocol = IPPROTO_TCP, .saddr = outer->daddr, .daddr = outer->saddr};
    inner->check = internet_checksum(0, inner, sizeof *inner);
    ports[0] = random_port();
    ports[1] = random_port();
    icmp->checksum = internet_checksum(0, icmp, frame->length - sizeof *outer);
}

static struct ether_header *make_ethernet(struct frame *frame, uint16_t type)
{
    struct ether_header *ethernet = (struct ether_header *)frame->bytes;
    memset(frame->bytes, 0, sizeof frame->bytes);
    memset(ethernet->ether_dhost, 0xff, ETH_ALEN);
    ethernet->ether_shost[0] = 2;
    uint32_t tail = roll();
    memcpy(ethernet->ether_shost + 2, &tail, sizeof tail);
    ethernet->ether_type = htons(type);
    return ethernet;
}

/* Strangers that ask for the target's MAC address (RFC 826). */
static void make_arp(struct frame *frame, const struct load *load, long index)
{
    (void)index;
    struct ether_header *ethernet = make_ethernet(frame, ETHERTYPE_ARP);
    struct arphdr *arp = (struct arphdr *)(ethernet + 1);
    uint8_t *rest = (uint8_t *)(arp + 1);
    uint32_t sender = spread(load->source, load->source_spread), target = spread(load->target.sin_addr, load->target_spread);
    *arp = (struct arphdr){.ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETHERTYPE_IP), .ar_hln = ETH_ALEN, .ar_pln = 4, .ar_op = htons(ARPOP_REQUEST)};
    memcpy(rest, ethernet->ether_shost, ETH_ALEN);
    memcpy(rest + 6, &sender, 4);
    memcpy(rest + 16, &target, 4);
    frame->length = sizeof *ethernet + 28;
}

/* The same over IPv6 (RFC 4861 section 4.3), among link-local addresses. */
static void make_solicitation(struct frame *frame, const struct load *load, long index)
{
    (void)load, (void)index;
    struct ether_header *ethernet = make_ethernet(frame, ETHERTYPE_IPV6);
    struct ip6_hdr *ip = (struct ip6_hdr *)(ethernet + 1);
    struct nd_neighbor_solicit *question = (struct nd_neighbor_solicit *)(ip + 1);
    uint8_t *option = (uint8_t *)(question + 1);
    size_t length = sizeof *question + 8;
    *ip = (struct ip6_hdr){.ip6_flow = htonl(6u << 28), .ip6_plen = htons((uint16_t)length), .ip6_nxt = IPPROTO_ICMPV6, .ip6_hlim = DISCOVERY_HOPS};
    ip->ip6_src.s6_addr[0] = question->nd_ns_target.s6_addr[0] = 0xfe;
    ip->ip6_src.s6_addr[1] = question->nd_ns_target.s6_addr[1] = 0x80;
    ip->ip6_src.s6_addr32[3] = roll();
    question->nd_ns_target.s6_addr32[3] = roll();
    memcpy(ip->ip6_dst.s6_addr, (uint8_t[]){0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}, 13);
    memcpy(ip->ip6_dst.s6_addr + 13, question->nd_ns_target.s6_addr + 13, 3);
    ethernet->ether_dhost[0] = ethernet->ether_dhost[1] = 0x33;
    memcpy(ethernet->ether_dhost + 2, ip->ip6_dst.s6_addr + 12, 4);
    question->nd_ns_type = ND_NEIGHBOR_SOLICIT;
    option[0] = ND_OPT_SOURCE_LINKADDR;
    option[1] = 1;
    memcpy(option + 2, ethernet->ether_shost, ETH_ALEN);
    uint32_t sum = sum_of(&ip->ip6_src, 32) + htons((uint16_t)length) + htons(IPPROTO_ICMPV6);
    question->nd_ns_cksum = internet_checksum(sum, question, length);
    frame->length = sizeof *ethernet + sizeof *ip + length;
}

static const struct kind {
    const char *name;
    void (*make)(struct frame *, const struct load *, long index);
    bool is_link; /* whole frames, on the namespace's interface */
} kinds[] = {
    {"syn", make_syn, false},        {"udp", make_udp, false},     {"fragments", make_fragment, false}, {"errors", make_error, false},
    {"scan", make_scan, false},      {"arp", make_arp, true},      {"nd", make_solicitation, true},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return &kinds[i];
    end(2, "--kind takes syn, udp, fragments, errors, scan, arp or nd, not '%s'", name ? name : "");
}

static int open_socket(const struct load *load, const struct kind *kind)
{
    enter_namespace(load->from);
    int fd = kind->is_link ? socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) : socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0)
        end(1, "no socket: %s", strerror(errno));
    if (!kind->is_link)
        return fd;
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("eth0")};
    if (link.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&link, sizeof link))
        end(1, "no interface eth0 in %s: %s", load->from, strerror(errno));
    return fd;
}

int run_flood(const struct load *load)
{
    static struct frame frames[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    const struct kind *kind = kind_of(load->kind);
    int fd = open_socket(load, kind);
    long sent = 0, refused = 0;
    double begun = now(), time = begun;
    for (; time < begun + load->seconds; time = now()) {
        for (int i = 0; i < BATCH; i++) {
            kind->make(&frames[i], load, sent + i);
            vectors[i] = (struct iovec){frames[i].bytes, frames[i].length};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
            if (!kind->is_link) {
                messages[i].msg_hdr.msg_name = &frames[i].target;
                messages[i].msg_hdr.msg_namelen = sizeof frames[i].target;
            }
        }
        int count = sendmmsg(fd, messages, BATCH, 0);
        /* A queue that is full is what a flood meets; the next one may find room. */
        sent += count > 0 ? count : 0;
        refused += count > 0 ? 0 : 1;
        if (sent == 0 && time > begun + 1)
            end(1, "cannot send from %s: %s", load->from, strerror(errno));
        double ahead = load->rate ? begun + (double)sent / (double)load->rate - now() : 0;
        if (ahead > 100e-6)
            nanosleep(&(struct timespec){.tv_sec = (time_t)ahead, .tv_nsec = (long)((ahead - (double)(time_t)ahead) * 1e9)}, NULL);
    }
    printf("{\"kind\":\"%s\",\"seconds\":%.3f,\"sent\":%ld,\"rate\":%.0f,\"refused\":%ld}\n", kind->name, time - begun, sent, (double)sent / (time - begun), refused);
    return 0;
}
