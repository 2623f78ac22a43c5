/*
 * nullfwd: a wire between two TAPs in two namespaces. It reads a frame on one side, writes it on the other and decides nothing: what a
 * forwarder in userspace could do at best on the same devices. The benchmarks measure the datapath against it.
 */
#define _GNU_SOURCE
#include "namespace.h"
#include <getopt.h>
#include <liburing.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

/* TSO and USO super-packets pass whole; names for USO came with Linux 6.2's headers. */
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | 0x20 | 0x40)
#define MOST_BATCH 256
/* 64 KiB and headers; not a multiple of a page, so that the heads of small frames do not all fall into the same sets of the cache. */
#define BUFFER_LENGTH 67776

struct port {
    char *namespace;
    char *interface;
    int fd;
    uint8_t *buffers;
    bool ready;  /* the last read found something, or a poll said so */
    bool armed;  /* a poll is under way */
    int want;    /* reads of the next batch: as many as have paid lately */
    int pending; /* reads under way */
};

static struct port ports[2];
static int port_count;
static int batch = 64;
static long spin_nanoseconds;

static void show_help(void)
{
    puts("usage: nullfwd --port NAMESPACE:INTERFACE --port NAMESPACE:INTERFACE [OPTION...]\n"
         "A wire between two TAPs that it makes. Says 'ready' when they are there; whoever wants it sets them up then.\n\n"
         "  --port NAMESPACE:INTERFACE  a side, given twice; the namespace is a name under /run/netns or a path\n"
         "  --engine uring|epoll        how frames are read and written (uring)\n"
         "  --batch N                   frames read from a side at a time, 1 to 256 (64)\n"
         "  --spin MICROSECONDS         look again for so long before sleeping, 0 to 1000000 (0)\n"
         "  --help                      this");
}

static void add_port(char *text)
{
    if (port_count == 2)
        end(2, "a wire has two sides: --port is given more than twice");
    struct port *port = &ports[port_count++];
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0')
        end(2, "--port takes NAMESPACE:INTERFACE, not '%s'", text);
    *colon = '\0';
    port->namespace = text;
    port->interface = colon + 1;
    if (strlen(port->interface) >= IFNAMSIZ)
        end(2, "an interface's name has at most %d characters, unlike '%s'", IFNAMSIZ - 1, port->interface);
}

static void open_port(struct port *port)
{
    enter_namespace(port->namespace);
    port->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (port->fd < 0)
        end(1, "/dev/net/tun: %s", strerror(errno));
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(request.ifr_name, port->interface);
    int header = 10;
    if (ioctl(port->fd, TUNSETIFF, &request) || ioctl(port->fd, TUNSETVNETHDRSZ, &header) || ioctl(port->fd, TUNSETOFFLOAD, OFFLOADS))
        end(1, "cannot make the TAP %s in %s: %s", port->interface, port->namespace, strerror(errno));
    port->buffers = mmap(NULL, (size_t)BUFFER_LENGTH * batch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (port->buffers == MAP_FAILED)
        end(1, "no memory for %d buffers", batch);
    port->ready = true;
    port->want = 4 < batch ? 4 : batch;
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* May the loop look again instead of sleeping? idle_since is 0 while there is traffic. */
static bool spin_on(long *idle_since)
{
    if (spin_nanoseconds == 0)
        return false;
    long time = now();
    if (*idle_since == 0)
        *idle_since = time;
    return time - *idle_since < spin_nanoseconds;
}

/* A read that finds nothing is no trouble; any other error means that the device is gone. */
static void check_read(const struct port *port, int error)
{
    if (error != EAGAIN && error != EINTR)
        end(1, "reading %s in %s: %s", port->interface, port->namespace, strerror(error));
}

enum { READ, POLL, WRITE };

/* What a completion says: what was done, on which side, into which buffer. */
static void submit(struct io_uring_sqe *entry, int kind, int side, int slot)
{
    entry->flags |= IOSQE_FIXED_FILE | (kind == WRITE ? IOSQE_CQE_SKIP_SUCCESS : 0);
    entry->user_data = (uint64_t)kind << 32 | (uint64_t)side << 16 | (uint64_t)slot;
}

static void open_ring(struct io_uring *ring)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 8 * MOST_BATCH,
    };
    int files[2] = {ports[0].fd, ports[1].fd};
    /* Room for a batch of each side, its writes and two polls. */
    int error = io_uring_queue_init_params(8 * MOST_BATCH, ring, &parameters);
    if (!error)
        error = io_uring_register_files(ring, files, 2);
    if (error)
        end(1, "io_uring: %s", strerror(-error));
}

/* The reads of a side that may have frames. RWF_NOWAIT: io_uring would turn a read of an empty TAP into a poll, even of a nonblocking one. */
static int queue_reads(struct io_uring *ring, int side)
{
    struct port *port = &ports[side];
    if (port->pending)
        return 0;
    for (int slot = 0; slot < port->want; slot++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(ring);
        io_uring_prep_read(entry, side, port->buffers + (size_t)BUFFER_LENGTH * slot, BUFFER_LENGTH, 0);
        entry->rw_flags = RWF_NOWAIT;
        submit(entry, READ, side, slot);
    }
    return port->pending = port->want;
}

static void queue_poll(struct io_uring *ring, int side)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    io_uring_prep_poll_add(entry, side, POLLIN);
    submit(entry, POLL, side, 0);
    ports[side].armed = true;
}

/* The write is done within the next submission, before that submission's reads use the buffer again. */
static void queue_write(struct io_uring *ring, int side, int slot, int length)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    io_uring_prep_write(entry, !side, ports[side].buffers + (size_t)BUFFER_LENGTH * slot, (unsigned)length, 0);
    submit(entry, WRITE, side, slot);
}

/* Takes what is complete; counts the frames of each side. */
static void take_completions(struct io_uring *ring, int frames[2], int asked[2])
{
    struct io_uring_cqe *completion;
    unsigned head, count = 0;
    io_uring_for_each_cqe(ring, head, completion)
    {
        int kind = (int)(completion->user_data >> 32), side = completion->user_data >> 16 & 1, slot = completion->user_data & 0xffff;
        count++;
        if (kind == POLL) {
            ports[side].armed = false;
            ports[side].ready = true;
        } else if (kind == READ) {
            ports[side].pending--;
            asked[side]++;
            if (completion->res > 0) {
                queue_write(ring, side, slot, completion->res);
                frames[side]++;
            } else {
                check_read(&ports[side], -completion->res);
            }
        } /* else a write that failed: the other side is down or its queue is full, and the frame is lost */
    }
    io_uring_cq_advance(ring, count);
}

static void forward_by_uring(void)
{
    struct io_uring ring;
    long idle_since = 0;
    open_ring(&ring);
    for (;;) {
        int reads = 0, frames[2] = {0}, asked[2] = {0};
        if (!ports[0].ready && !ports[1].ready && spin_on(&idle_since))
            ports[0].ready = ports[1].ready = true;
        for (int side = 0; side < 2; side++) {
            if (ports[side].ready)
                reads += queue_reads(&ring, side);
            /* Also while the other side is busy: it may stay busy for long. */
            else if (!ports[side].armed)
                queue_poll(&ring, side);
        }
        int result = io_uring_submit_and_wait(&ring, reads ? (unsigned)reads : 1);
        if (result < 0 && result != -EINTR)
            end(1, "io_uring_enter: %s", strerror(-result));
        take_completions(&ring, frames, asked);
        for (int side = 0; side < 2; side++) {
            if (asked[side] == 0)
                continue;
            struct port *port = &ports[side];
            port->ready = frames[side] == asked[side];
            port->want = port->ready ? port->want * 2 : frames[side] + 2;
            if (port->want > batch)
                port->want = batch;
            if (frames[side])
                idle_since = 0;
        }
    }
}

/* Up to a batch from one side to the other. */
static int forward_burst(int side)
{
    struct port *port = &ports[side];
    for (int count = 0; count < batch; count++) {
        ssize_t length = read(port->fd, port->buffers, BUFFER_LENGTH);
        if (length <= 0) {
            check_read(port, errno);
            port->ready = false;
            return count;
        }
        if (write(ports[!side].fd, port->buffers, (size_t)length) != length)
            continue; /* lost, as above */
    }
    return batch;
}

static void forward_by_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    long idle_since = 0;
    for (int side = 0; side < 2; side++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)side};
        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ports[side].fd, &event))
            end(1, "epoll: %s", strerror(errno));
    }
    for (;;) {
        int frames = 0;
        for (int side = 0; side < 2; side++)
            if (ports[side].ready)
                frames += forward_burst(side);
        if (frames)
            idle_since = 0;
        bool look_again = frames || spin_on(&idle_since);
        struct epoll_event events[2];
        int count = epoll_wait(epoll, events, 2, look_again ? 0 : -1);
        for (int i = 0; i < count; i++)
            ports[events[i].data.u32].ready = true;
    }
}

int main(int argument_count, char **arguments)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},  {"engine", required_argument, NULL, 'e'}, {"batch", required_argument, NULL, 'b'},
        {"spin", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},          {0},
    };
    bool uring = true;
    opterr = 0;
    for (int option; (option = getopt_long(argument_count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': add_port(optarg); break;
        case 'e':
            uring = strcmp(optarg, "uring") == 0;
            if (!uring && strcmp(optarg, "epoll") != 0)
                end(2, "--engine takes uring or epoll, not '%s'", optarg);
            break;
        case 'b': batch = (int)number("--batch", optarg, 1, MOST_BATCH); break;
        case 's': spin_nanoseconds = number("--spin", optarg, 0, 1000000) * 1000; break;
        case 'h': show_help(); return 0;
        default: end(2, "%s is not understood; --help tells what is", arguments[optind - 1]);
        }
    }
    if (optind < argument_count)
        end(2, "'%s' is not understood; --help tells what is", arguments[optind]);
    if (port_count < 2)
        end(2, "a wire has two sides: give --port twice");
    open_port(&ports[0]);
    open_port(&ports[1]);
    puts("ready");
    fflush(stdout);
    if (uring)
        forward_by_uring();
    else
        forward_by_epoll();
}
