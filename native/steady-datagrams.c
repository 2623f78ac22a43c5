/* steady-datagrams.c: the paced streams of datagrams, and who echoes them. */
#define _GNU_SOURCE
#include "steady.h"

#define DATAGRAM_LENGTH 200
#define RING (1u << 20)
#define MOST_STREAMS 8

struct stream {
    int fd, rate;
    long next, last;
    uint64_t first, sent; /* sequence numbers of this window */
    uint64_t received, duplicate, late, wrong, highest;
    long gap;
    uint8_t seen[RING / 8];
};

static struct stream *streams[MOST_STREAMS];
static int stream_count;
static int server = -1;
/* Of round trips: by 16ths of powers of two of microseconds. */
static unsigned long trips[64 * 16];

static void enlarge(int fd)
{
    int length = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &length, sizeof length);
}

int open_datagram_server(struct sockaddr_in address)
{
    server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address))
        end(1, "cannot serve datagrams on port %d: %s", ntohs(address.sin_port), strerror(errno));
    enlarge(server);
    return server;
}

void answer_datagrams(void)
{
    uint8_t bytes[2048];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length;
    while (server >= 0 && (length = recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size)) >= 0)
        sendto(server, bytes, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&from, size);
}

/* A datagram: number of the stream, sequence number, when it was sent, and bytes that follow from both. */
static void send_datagram(struct stream *s, int index, long time)
{
    uint64_t datagram[DATAGRAM_LENGTH / 8] = {(uint64_t)index, s->sent, (uint64_t)time};
    uint8_t *bytes = (uint8_t *)datagram;
    for (int i = 24; i < DATAGRAM_LENGTH; i++)
        bytes[i] = byte_at(s->sent, (uint64_t)i);
    s->seen[s->sent % RING / 8] &= (uint8_t)~(1u << s->sent % 8);
    s->sent++;
    send(s->fd, datagram, sizeof datagram, MSG_NOSIGNAL);
}

static void note_trip(long nanoseconds)
{
    unsigned long micros = (unsigned long)nanoseconds / 1000 + 16;
    int power = 63 - __builtin_clzl(micros);
    trips[(power - 4) * 16 + (int)(micros >> (power - 4) & 15)]++;
}

static double trip_quantile(double share)
{
    unsigned long total = 0, below = 0;
    for (int i = 0; i < 1024; i++)
        total += trips[i];
    for (int i = 0; i < 1024; i++) {
        below += trips[i];
        if ((double)below >= share * (double)total && total > 0)
            return ((double)((16ul + (unsigned long)(i % 16)) << i / 16) - 16) / 1000;
    }
    return 0;
}

static void read_stream(struct stream *s)
{
    uint64_t datagram[DATAGRAM_LENGTH / 8 + 1];
    const uint8_t *bytes = (const uint8_t *)datagram;
    ssize_t length;
    while ((length = recv(s->fd, datagram, sizeof datagram, 0)) > 0) {
        bool is_right = length == DATAGRAM_LENGTH && datagram[1] < s->sent;
        for (int i = 24; is_right && i < DATAGRAM_LENGTH; i++)
            is_right = bytes[i] == byte_at(datagram[1], (uint64_t)i);
        if (!is_right) {
            s->wrong++;
            continue;
        }
        uint64_t sequence = datagram[1];
        long time = now();
        uint8_t bit = (uint8_t)(1u << sequence % 8), *place = &s->seen[sequence % RING / 8];
        if (sequence < s->first || *place & bit) {
            s->duplicate++;
            continue;
        }
        *place |= bit;
        s->received++;
        s->late += sequence < s->highest;
        s->highest = sequence > s->highest ? sequence : s->highest;
        s->gap = time - s->last > s->gap ? time - s->last : s->gap;
        s->last = time;
        note_trip(time - (long)datagram[2]);
    }
}

void read_datagrams(void)
{
    for (int i = 0; i < stream_count; i++)
        read_stream(streams[i]);
}

void send_datagrams(long time, bool is_quiet)
{
    for (int i = 0; i < stream_count; i++) {
        for (int burst = 0; !is_quiet && streams[i]->next <= time && burst < 256; burst++) {
            send_datagram(streams[i], i, time);
            streams[i]->next += 1000000000L / streams[i]->rate;
        }
        if (is_quiet || time - streams[i]->next > 100000000L)
            streams[i]->next = time;
    }
}

struct datagram_window close_datagram_window(long quiet_since, long time)
{
    struct datagram_window all = {.p50 = trip_quantile(0.5), .p99 = trip_quantile(0.99), .p999 = trip_quantile(0.999)};
    for (int i = 0; i < stream_count; i++) {
        struct stream *s = streams[i];
        /* What never came ends a gap where sending ended. */
        if (s->sent > s->first && (s->received == 0 || s->highest + 1 < s->sent) && quiet_since - s->last > s->gap)
            s->gap = quiet_since - s->last;
        all.sent += s->sent - s->first;
        all.received += s->received;
        all.duplicate += s->duplicate;
        all.late += s->late;
        all.wrong += s->wrong;
        all.gap = s->gap > all.gap ? s->gap : all.gap;
        s->first = s->sent;
        s->received = s->duplicate = s->late = s->wrong = 0;
        s->gap = 0;
        s->last = time;
    }
    memset(trips, 0, sizeof trips);
    return all;
}

int add_stream(struct sockaddr_in address, int rate)
{
    struct stream *s = stream_count < MOST_STREAMS ? calloc(1, sizeof *s) : NULL;
    if (!s)
        end(2, "more than %d streams of datagrams", MOST_STREAMS);
    s->rate = rate;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Its peer need not be reachable yet: connect only names it. */
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof address))
        end(1, "no way to the peer: %s", strerror(errno));
    enlarge(s->fd);
    s->next = s->last = now();
    streams[stream_count++] = s;
    return s->fd;
}
