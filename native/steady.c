/*
 * steady: traffic whose every byte is known beforehand, for as long as it is wanted: long TCP connections, paced datagrams and short requests. It
 * says how many were lost and how long nothing came, while the lab does to the path what may happen to it.
 */
#define _GNU_SOURCE
#include "steady.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define RECORD_LENGTH 1000
#define RECORD_EVERY 20000000L /* of each TCP connection, nanoseconds */
#define MOST_CONNECTIONS 4096
/* How long a datagram's echo and a window's end are waited for. */
#define GRACE 1000000000L
#define REQUEST_LIMIT 5000000000L

struct connection {
    enum kind kind;
    int fd, target;
    bool is_open, is_answered;
    uint64_t sent, received; /* bytes; which byte stands where follows from the number of the connection and the place */
    uint64_t number;
    long next, last; /* when the next record is due; when something came last, or was begun */
    uint8_t pending[16384];
    int pending_length, pending_start;
};

static const char question[] = "GET / HTTP/1.1\r\nHost: steady\r\nConnection: close\r\n\r\n";

static int poller;
static struct connection *connections[MOST_CONNECTIONS];
static int connection_count;
static struct target targets[16];
static int target_count, stream_count;
static uint64_t numbers;
static struct { unsigned long lost, wrong, bytes, requests, failed; long gap, slowest; char reason[64]; } window;
static long began, quiet_since;
static volatile sig_atomic_t must_say, must_end;

static void show_help(void)
{
    puts("usage: steady serve PORT                  answers TCP and UDP on PORT with what comes\n"
         "       steady run TRAFFIC...              until SIGTERM\n"
         "       steady silent COUNT SOCKET...      holds up to so many connections to each Unix socket and says nothing, until SIGTERM\n\n"
         "  --tcp ADDRESS:PORT:COUNT      so many connections to such a server, 50 records of 1,000 bytes a second each\n"
         "  --udp ADDRESS:PORT:RATE       so many datagrams of 200 bytes a second to such a server\n"
         "  --http ADDRESS:PORT:RATE      so many new connections a second with one GET / each\n"
         "  --help                        this\n\n"
         "On SIGUSR1 and at its end it says as JSON what happened since it was last asked, a second later: what is under way has until then.");
}

static void follow(int fd, void *what, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        end(1, "epoll: %s", strerror(errno));
}

static struct connection *add_connection(enum kind kind, int fd, uint32_t events)
{
    struct connection *c = connection_count < MOST_CONNECTIONS ? calloc(1, sizeof *c) : NULL;
    if (!c)
        end(1, "more than %d connections", MOST_CONNECTIONS);
    c->kind = kind;
    c->fd = fd;
    c->number = ++numbers;
    c->last = now();
    connections[connection_count++] = c;
    int yes = 1;
    if (kind != LISTENER)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    follow(fd, c, events);
    return c;
}

static void drop(struct connection *c)
{
    close(c->fd);
    for (int i = 0; i < connection_count; i++) {
        if (connections[i] == c) {
            connections[i] = connections[--connection_count];
            break;
        }
    }
    free(c);
}

static void begin(int target)
{
    struct target *t = &targets[target];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        end(1, "no socket: %s", strerror(errno));
    struct connection *c = add_connection(t->kind, fd, EPOLLIN | EPOLLOUT | EPOLLET);
    c->target = target;
    if (t->kind == LONG)
        take_own_port(fd);
    if (connect(fd, (struct sockaddr *)&t->address, sizeof t->address) && errno != EINPROGRESS)
        snprintf(window.reason, sizeof window.reason, "connect: %s", strerror(errno)); /* its socket's error comes with the next event */
}

/* A long connection that ends is lost, and another takes its place; a request that ends without an answer has failed. */
static void lose(struct connection *c, const char *reason)
{
    int target = c->target;
    bool is_long = c->kind == LONG;
    if (is_long && c->is_open)
        window.lost++;
    if (c->kind == REQUEST)
        window.failed++;
    if (c->kind != ECHO)
        snprintf(window.reason, sizeof window.reason, "%s", reason);
    drop(c);
    if (is_long)
        targets[target].rate++;
}

static void note_gap(struct connection *c, long time)
{
    if (time - c->last > window.gap)
        window.gap = time - c->last;
    c->last = time;
}

static void write_record(struct connection *c)
{
    uint8_t record[RECORD_LENGTH];
    /* No more on its way than fits: what cannot be sent stands for a peer that does not answer. */
    int length = RECORD_LENGTH - (int)(c->sent % RECORD_LENGTH);
    for (int i = 0; i < length; i++)
        record[i] = byte_at(c->number, c->sent + (uint64_t)i);
    ssize_t written = send(c->fd, record, (size_t)length, MSG_NOSIGNAL);
    if (written > 0)
        c->sent += (uint64_t)written;
}

static void read_long(struct connection *c)
{
    uint8_t bytes[16384];
    ssize_t length;
    while ((length = recv(c->fd, bytes, sizeof bytes, 0)) > 0) {
        for (ssize_t i = 0; i < length; i++)
            window.wrong += bytes[i] != byte_at(c->number, c->received + (uint64_t)i);
        c->received += (uint64_t)length;
        window.bytes += (uint64_t)length;
        note_gap(c, now());
    }
    if (length == 0)
        lose(c, "closed by the peer");
    else if (errno != EAGAIN && errno != EINTR)
        lose(c, strerror(errno));
}

static void read_answer(struct connection *c)
{
    char bytes[4096];
    ssize_t length;
    while ((length = recv(c->fd, bytes, sizeof bytes, 0)) > 0)
        c->is_answered |= length > 12 && !memcmp(bytes, "HTTP/1.1 200", 12);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (!c->is_answered) {
        lose(c, length == 0 ? "closed without an answer" : strerror(errno));
        return;
    }
    if (now() - c->last > window.slowest)
        window.slowest = now() - c->last;
    window.requests++;
    drop(c);
}

static void echo(struct connection *c)
{
    for (;;) {
        while (c->pending_length > 0) {
            ssize_t written = send(c->fd, c->pending + c->pending_start, (size_t)c->pending_length, MSG_NOSIGNAL);
            if (written <= 0 && errno == EAGAIN)
                return;
            if (written <= 0) {
                drop(c);
                return;
            }
            c->pending_start += (int)written;
            c->pending_length -= (int)written;
        }
        ssize_t length = recv(c->fd, c->pending, sizeof c->pending, 0);
        if (length < 0 && errno == EAGAIN)
            return;
        if (length <= 0) {
            drop(c);
            return;
        }
        c->pending_start = 0;
        c->pending_length = (int)length;
    }
}

static void take_event(struct connection *c, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (c->kind == LISTENER) {
        int fd;
        while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
            add_connection(ECHO, fd, EPOLLIN | EPOLLOUT | EPOLLET);
        return;
    }
    if (c->kind == ECHO) {
        echo(c);
        return;
    }
    if (!c->is_open && events & (EPOLLERR | EPOLLHUP | EPOLLOUT)) {
        if (!getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) && error) {
            lose(c, strerror(error));
            return;
        }
        c->is_open = true;
        if (c->kind == REQUEST && send(c->fd, question, sizeof question - 1, MSG_NOSIGNAL) < 0) {
            lose(c, strerror(errno));
            return;
        }
        c->next = now();
    }
    if (c->is_open && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        if (c->kind == LONG)
            read_long(c);
        else
            read_answer(c);
    }
}

static void say_window(void)
{
    unsigned long open = 0;
    long time = now();
    for (int i = 0; i < connection_count; i++) {
        if (connections[i]->kind == LONG) {
            open += connections[i]->is_open;
            if (connections[i]->is_open && connections[i]->received < connections[i]->sent)
                window.gap = time - connections[i]->last > window.gap ? time - connections[i]->last : window.gap;
        }
    }
    struct datagram_window all = close_datagram_window(quiet_since, time);
    printf("{\"seconds\":%.1f,\"connections\":%lu,\"lost\":%lu,\"bytes\":%lu,\"wrongBytes\":%lu,\"gapMs\":%.1f,"
           "\"datagrams\":%lu,\"answered\":%lu,\"duplicate\":%lu,\"late\":%lu,\"wrongDatagrams\":%lu,\"datagramGapMs\":%.1f,"
           "\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,\"requests\":%lu,\"failed\":%lu,\"slowestMs\":%.1f,\"reason\":\"%s\"}\n",
           (double)(time - began) / 1e9, open, window.lost, window.bytes, window.wrong, (double)window.gap / 1e6, all.sent, all.received, all.duplicate, all.late,
           all.wrong, (double)all.gap / 1e6, all.p50, all.p99, all.p999, window.requests, window.failed,
           (double)window.slowest / 1e6, window.reason);
    fflush(stdout);
    memset(&window, 0, sizeof window);
    began = time;
}

/* What is due: records, datagrams, requests, connections in the place of lost ones. */
static void do_what_is_due(long time, bool is_quiet)
{
    for (int i = 0; i < connection_count; i++) {
        struct connection *c = connections[i];
        if (c->kind == LONG && c->is_open && time >= c->next) {
            if (c->sent == c->received)
                c->last = time; /* nothing was under way: a gap begins with a question */
            if (c->sent - c->received < 64 * RECORD_LENGTH)
                write_record(c);
            c->next += RECORD_EVERY;
            if (c->next < time)
                c->next = time + RECORD_EVERY;
        } else if (c->kind == REQUEST && time - c->last > REQUEST_LIMIT) {
            lose(c, "no answer in 5 s");
            i--;
        }
    }
    send_datagrams(time, is_quiet);
    for (int i = 0; i < target_count; i++) {
        struct target *t = &targets[i];
        if (t->kind == LONG && t->rate > 0 && time >= t->next) {
            t->rate--;
            t->next = time + 10000000L;
            begin(i);
        } else if (t->kind == REQUEST && !is_quiet && time >= t->next) {
            t->next = t->next + 1000000000L / t->rate > time - 1000000000L ? t->next + 1000000000L / t->rate : time;
            begin(i);
        }
    }
}

static void run(bool is_server)
{
    struct epoll_event events[256];
    long say_at = 0;
    began = now();
    for (;;) {
        int count = epoll_wait(poller, events, 256, is_server ? 1000 : 1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                take_event(events[i].data.ptr, events[i].events);
        }
        answer_datagrams();
        read_datagrams();
        long time = now();
        if ((must_say || must_end) && say_at == 0) {
            quiet_since = time;
            say_at = time + GRACE;
        }
        if (say_at != 0 && time >= say_at) {
            if (!is_server)
                say_window();
            if (must_end)
                return;
            must_say = 0;
            say_at = 0;
            time = now();
        }
        do_what_is_due(time, say_at != 0);
    }
}

static void serve(long port)
{
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) || bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 4096))
        end(1, "cannot serve on port %ld: %s", port, strerror(errno));
    add_connection(LISTENER, listener, EPOLLIN);
    follow(open_datagram_server(any), NULL, EPOLLIN);
    run(true);
}

static void add_target(const char *option, char *text, enum kind kind)
{
    if (target_count == sizeof targets / sizeof *targets)
        end(2, "more than %zu targets", sizeof targets / sizeof *targets);
    targets[target_count++] = target_of(option, text, kind);
}

static void note(int signal)
{
    if (signal == SIGUSR1)
        must_say = 1;
    else
        must_end = 1;
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"tcp", required_argument, NULL, 't'}, {"udp", required_argument, NULL, 'u'}, {"http", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'}, {0}};
    struct sigaction action = {.sa_handler = note}, ignored = {.sa_handler = SIG_IGN};
    int option;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGPIPE, &ignored, NULL);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct rlimit files = {.rlim_cur = 16384, .rlim_max = 16384};
    setrlimit(RLIMIT_NOFILE, &files);
    while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
        switch (option) {
        case 't': add_target("--tcp", optarg, LONG); break;
        case 'u': {
            struct target target = target_of("--udp", optarg, ECHO);
            follow(add_stream(target.address, (int)target.rate), NULL, EPOLLIN);
            stream_count++;
            break;
        }
        case 'n': add_target("--http", optarg, REQUEST); break;
        case 'h': show_help(); return 0;
        default: return 2;
        }
    }
    if (count - optind == 2 && !strcmp(arguments[optind], "serve") && target_count + stream_count == 0)
        serve(number("serve", arguments[optind + 1], 1, 65535));
    else if (count - optind > 2 && !strcmp(arguments[optind], "silent"))
        be_silent(&must_end, number("silent", arguments[optind + 1], 1, 100000), count - optind - 2, arguments + optind + 2);
    else if (count - optind == 1 && !strcmp(arguments[optind], "run") && target_count + stream_count > 0)
        run(false);
    else
        end(2, "serve PORT, silent, or run and some traffic is wanted; --help says more");
    return 0;
}
