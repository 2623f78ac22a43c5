/* netload udp: a sender and a receiver that counts. */
#include "netload.h"
#include <math.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

/* Ethernet 14, IPv4 20, UDP 8 and these: a frame of 60 bytes, the shortest there is; 64 with its check sequence. */
#define PAYLOAD_LENGTH 18
#define BATCH 64
#define WARM_UP 0.2
#define TICK 200e-6
/* A sender that was kept from its work catches up by so much, not more: it is to be a load, not a flood. */
#define MOST_ARREARS 2e-3

static volatile uint64_t *received;
static uint64_t sent;
static int *senders;

static void receive(int socket)
{
    static char payload[BATCH][PAYLOAD_LENGTH];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){payload[i], PAYLOAD_LENGTH};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    for (;;) {
        int count = recvmmsg(socket, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count > 0)
            *received += (uint64_t)count;
    }
}

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        end(1, "no socket: %s", strerror(errno));
    return fd;
}

static void start_receiver(const struct load *load)
{
    received = mmap(NULL, sizeof *received, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    enter_namespace(load->at);
    int fd = udp_socket(), length = 8 << 20;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->listen_port)};
    /* The path is measured, not the patience of the receiver's socket. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &length, sizeof length);
    if (bind(fd, (struct sockaddr *)&any, sizeof any))
        end(1, "cannot receive on port %d of %s: %s", load->listen_port, load->at, strerror(errno));
    start_child(receive, fd);
    close(fd);
}

static void open_senders(const struct load *load)
{
    enter_namespace(load->from);
    senders = calloc((size_t)load->count, sizeof *senders);
    for (long i = 0; i < load->count; i++) {
        senders[i] = udp_socket();
        if (connect(senders[i], (const struct sockaddr *)&load->target, sizeof load->target))
            end(1, "cannot send from %s: %s", load->from, strerror(errno));
    }
}

/* One flow goes in batches; of several flows each packet is another's. */
static void send_packets(const struct load *load, int count)
{
    static char payload[PAYLOAD_LENGTH];
    static struct iovec vector = {payload, PAYLOAD_LENGTH};
    static struct mmsghdr messages[BATCH];
    static long turn;
    if (load->count > 1) {
        for (int i = 0; i < count; i++, sent++)
            (void)!send(senders[turn++ % load->count], payload, PAYLOAD_LENGTH, 0);
        return;
    }
    while (count > 0) {
        int part = count < BATCH ? count : BATCH;
        for (int i = 0; i < part; i++)
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
        int done = sendmmsg(senders[0], messages, (unsigned)part, 0);
        if (done <= 0)
            return; /* a refusal of an earlier packet is told here: the next one may pass */
        sent += (uint64_t)done;
        count -= done;
    }
}

/* Sends until that time: in ticks at a rate, or as fast as it goes. */
static void send_until(const struct load *load, long rate, double end_time)
{
    double begun = now(), time = begun;
    for (double credit = 0, last = begun; time < end_time; time = now()) {
        if (rate == 0) {
            send_packets(load, BATCH);
            continue;
        }
        credit = fmin(credit + (time - last) * (double)rate, fmax(1, MOST_ARREARS * (double)rate));
        last = time;
        send_packets(load, (int)credit);
        credit -= (int)credit;
        struct timespec nap = {.tv_nsec = (long)(TICK * 1e9)};
        nanosleep(&nap, NULL);
    }
}

/* Until nothing more arrives. */
static void drain(void)
{
    uint64_t before;
    do {
        before = *received;
        struct timespec nap = {.tv_nsec = 50000000};
        nanosleep(&nap, NULL);
    } while (*received != before);
}

struct result {
    double seconds, processor; /* of the measured time */
    double sent, received;     /* in the measured time */
    double loss;               /* share of all that was sent, warming up included, when the last packet was in */
};

static struct result measure(const struct load *load, long rate, double warm_up, double seconds)
{
    uint64_t first_sent = sent, first_received = *received;
    double begun = now();
    send_until(load, rate, begun + warm_up);
    struct result result = {now(), processor_seconds(), (double)sent, (double)*received, 0};
    send_until(load, rate, begun + warm_up + seconds);
    result = (struct result){now() - result.seconds, processor_seconds() - result.processor, (double)sent - result.sent, (double)*received - result.received, 0};
    drain();
    if (*received == first_received)
        end(1, "not one of %lu packets arrived", (unsigned long)(sent - first_sent));
    result.loss = 1 - (double)(*received - first_received) / (double)(sent - first_sent);
    return result;
}

static void report(struct result result)
{
    printf("{\"seconds\":%.3f,\"sent\":%.0f,\"received\":%.0f,\"rate\":%.0f,\"loss\":%.6f,\"processorSeconds\":%.2f,\"nanosecondsPerPacket\":%.1f}\n",
           result.seconds, result.sent, result.received, result.received / result.seconds, result.loss, result.processor,
           result.processor * 1e9 / result.received);
}

/* One step of the search, done again when it fails: a pause of the machine is not the path's fault. */
static bool holds(const struct load *load, long rate, double seconds, struct result *best)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        struct result result = measure(load, rate, 0.05, seconds);
        if (result.loss <= 1e-3 && result.sent >= 0.97 * (double)rate * result.seconds) {
            *best = result;
            return true;
        }
    }
    return false;
}

/* Doubles until it fails, then halves the distance; the last step is 3 % wide. */
static struct result search(const struct load *load)
{
    struct result best = {0};
    double step = fmax(0.2, load->seconds / 10), low = 0, high = 25000;
    while (high < 1e7 && holds(load, (long)high, step, &best)) {
        low = high;
        high *= 2;
    }
    if (low == 0)
        end(1, "even of %.0f packets/s more than 1 in 1,000 is lost", high);
    while (high / low > 1.03) {
        double middle = sqrt(low * high);
        if (holds(load, (long)middle, step, &best))
            low = middle;
        else
            high = middle;
    }
    return best;
}

int run_udp(const struct load *load)
{
    start_receiver(load);
    open_senders(load);
    measure(load, 1000, 0, WARM_UP); /* neighbours are asked for, flows are made */
    report(load->search ? search(load) : measure(load, load->rate, WARM_UP, load->seconds));
    return 0;
}
