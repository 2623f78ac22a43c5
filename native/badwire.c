/*
 * badwire: a wire between two network interfaces that loses, repeats, delays, reorders and damages frames, as often as it is told and with dice that
 * a seed makes the same again. The lab's chaos uses it: tc's netem is not in every kernel, and this one says what it has done.
 */
#define _GNU_SOURCE
#include "namespace.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define FRAME_LENGTH 65600
/* Frames that can be on their way: 100 ms of 80,000 a second. */
#define MOST_WAITING 8192

struct settings {
    double loss, duplicate, reorder, corrupt; /* per cent of the frames of each direction */
    long delay, jitter;                       /* microseconds */
};

struct waiting {
    long due; /* nanoseconds */
    int side; /* that it leaves by */
    int length;
    uint8_t *bytes;
};

static struct settings settings;
static char *settings_path;
static struct pollfd ports[2];
static int port_count;
/* A heap by time. */
static struct waiting heap[MOST_WAITING];
static int heap_count;
static uint64_t dice;
static struct { unsigned long frames, lost, duplicated, reordered, corrupted, delayed, refused, overflown; } done;
static volatile sig_atomic_t must_read, must_say, must_end;

static void show_help(void)
{
    puts("usage: badwire --tap NAMESPACE:INTERFACE|--packet NAMESPACE:INTERFACE (twice) --settings FILE [--seed N]\n"
         "A bad wire between two interfaces. Says 'ready' when they are there.\n\n"
         "  --tap NAMESPACE:INTERFACE     a side: a TAP that it makes\n"
         "  --packet NAMESPACE:INTERFACE  a side: an interface that is there, by a packet socket\n"
         "  --settings FILE               words: loss P, duplicate P, reorder P, corrupt P (per cent), delay MS, jitter MS; read again on SIGHUP\n"
         "  --seed N                      of the dice (1)\n"
         "  --help                        this\n\n"
         "On SIGUSR1 and at its end it says as JSON what it has done since it was last asked.");
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* xorshift64*, Vigna 2016. */
static uint64_t roll(void)
{
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return dice * 2685821657736338717u;
}

static bool happens(double percent) { return percent > 0 && (double)(roll() >> 11) / (double)(1ul << 53) * 100 < percent; }

static void read_settings(void)
{
    struct settings read = {0};
    char word[32];
    double value;
    int count;
    FILE *file = fopen(settings_path, "re");
    if (!file)
        end(2, "%s: %s", settings_path, strerror(errno));
    while ((count = fscanf(file, "%31s %lf", word, &value)) == 2) {
        if (value < 0 || value > 100000)
            end(2, "%s: %s takes 0 or more, not %g", settings_path, word, value);
        if (!strcmp(word, "loss"))
            read.loss = value;
        else if (!strcmp(word, "duplicate"))
            read.duplicate = value;
        else if (!strcmp(word, "reorder"))
            read.reorder = value;
        else if (!strcmp(word, "corrupt"))
            read.corrupt = value;
        else if (!strcmp(word, "delay"))
            read.delay = (long)(value * 1000);
        else if (!strcmp(word, "jitter"))
            read.jitter = (long)(value * 1000);
        else
            end(2, "%s: there is no '%s'", settings_path, word);
    }
    if (count != EOF)
        end(2, "%s: a word and a number are wanted, again and again", settings_path);
    fclose(file);
    settings = read;
}

static void add_port(char *text, bool is_tap)
{
    if (port_count == 2)
        end(2, "a wire has two sides: more than two are given");
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0' || strlen(colon + 1) >= IFNAMSIZ)
        end(2, "a side is NAMESPACE:INTERFACE, not '%s'", text);
    *colon = '\0';
    enter_namespace(text);
    int fd;
    if (is_tap) {
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
        strcpy(request.ifr_name, colon + 1);
        fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
            end(1, "cannot make the TAP %s in %s: %s", colon + 1, text, strerror(errno));
    } else {
        struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(colon + 1)};
        struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
        int yes = 1;
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || !address.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) ||
            setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) || bind(fd, (struct sockaddr *)&address, sizeof address))
            end(1, "cannot listen on %s in %s: %s", colon + 1, text, strerror(errno));
    }
    ports[port_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static bool is_before(const struct waiting *a, const struct waiting *b) { return a->due < b->due; }

static void add_waiting(int side, const uint8_t *bytes, int length, long due)
{
    if (heap_count == MOST_WAITING) {
        done.overflown++;
        return;
    }
    struct waiting frame = {.due = due, .side = side, .length = length, .bytes = malloc((size_t)length)};
    if (!frame.bytes)
        end(1, "no memory for a frame of %d bytes", length);
    memcpy(frame.bytes, bytes, (size_t)length);
    int at = heap_count++;
    for (; at > 0 && is_before(&frame, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = frame;
}

static struct waiting take_waiting(void)
{
    struct waiting first = heap[0], last = heap[--heap_count];
    int at = 0;
    for (int child; (child = 2 * at + 1) < heap_count; at = child) {
        if (child + 1 < heap_count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

static void send_frame(int side, const uint8_t *bytes, int length)
{
    if (write(ports[side].fd, bytes, (size_t)length) != length)
        done.refused++; /* its link is down or its queue full */
}

/* One frame, from one side to the other. Due times only grow without jitter, so that nothing overtakes unless it was told to. */
static void carry(int side, uint8_t *bytes, int length)
{
    long due = now() + settings.delay * 1000, copies = 1;
    done.frames++;
    if (happens(settings.loss)) {
        done.lost++;
        return;
    }
    if (happens(settings.corrupt)) {
        bytes[roll() % (unsigned)length] ^= (uint8_t)(1u << roll() % 8);
        done.corrupted++;
    }
    if (happens(settings.duplicate)) {
        copies = 2;
        done.duplicated++;
    }
    if (happens(settings.reorder)) {
        /* Held back for 1 to 5 ms: those behind it pass. */
        due += 1000000 + (long)(roll() % 4000000);
        done.reordered++;
    }
    if (settings.jitter)
        due += (long)(roll() % (uint64_t)(2 * settings.jitter + 1) - (uint64_t)settings.jitter) * 1000;
    for (; copies > 0; copies--) {
        if (due <= now()) {
            send_frame(!side, bytes, length);
        } else {
            done.delayed++;
            add_waiting(!side, bytes, length, due);
        }
    }
}

static void say_what_was_done(void)
{
    printf("{\"frames\":%lu,\"lost\":%lu,\"duplicated\":%lu,\"reordered\":%lu,\"corrupted\":%lu,\"delayed\":%lu,\"refused\":%lu,\"overflown\":%lu}\n", done.frames, done.lost,
           done.duplicated, done.reordered, done.corrupted, done.delayed, done.refused, done.overflown);
    fflush(stdout);
    memset(&done, 0, sizeof done);
}

static void note(int signal)
{
    if (signal == SIGHUP)
        must_read = 1;
    else if (signal == SIGUSR1)
        must_say = 1;
    else
        must_end = 1;
}

static void run(void)
{
    static uint8_t bytes[FRAME_LENGTH];
    while (!must_end) {
        if (must_read) {
            must_read = 0;
            read_settings();
        }
        if (must_say) {
            must_say = 0;
            say_what_was_done();
        }
        while (heap_count > 0 && heap[0].due <= now()) {
            struct waiting frame = take_waiting();
            send_frame(frame.side, frame.bytes, frame.length);
            free(frame.bytes);
        }
        long left = heap_count > 0 ? heap[0].due - now() : 1000000000L;
        struct timespec limit = {.tv_nsec = left < 0 ? 0 : left > 999999999L ? 999999999L : left};
        if (ppoll(ports, 2, &limit, NULL) <= 0)
            continue;
        for (int side = 0; side < 2; side++) {
            ssize_t length = 1;
            for (int taken = 0; taken < 64 && length > 0 && ports[side].revents; taken++) {
                length = read(ports[side].fd, bytes, sizeof bytes);
                if (length > 0)
                    carry(side, bytes, (int)length);
                else if (errno != EAGAIN && errno != EINTR && errno != EIO && errno != ENETDOWN)
                    end(1, "reading a side: %s", strerror(errno));
            }
        }
    }
    say_what_was_done();
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"tap", required_argument, NULL, 't'}, {"packet", required_argument, NULL, 'p'},
        {"settings", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {0}};
    int option;
    dice = 1;
    while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
        switch (option) {
        case 't': add_port(optarg, true); break;
        case 'p': add_port(optarg, false); break;
        case 'f': settings_path = optarg; break;
        case 's': dice = (uint64_t)number("--seed", optarg, 1, INT32_MAX); break;
        case 'h': show_help(); return 0;
        default: return 2;
        }
    }
    if (port_count != 2 || !settings_path || optind != count)
        end(2, "two sides and --settings are wanted; --help says more");
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    read_settings();
    puts("ready");
    fflush(stdout);
    run();
    return 0;
}
