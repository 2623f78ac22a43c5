/* netload streams: TCP connections whose every byte comes back and is looked at, before, while and after a command runs. */
#include "netload.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define MOST_STREAMS 1024
#define CHUNK 16384
/* What may be under way of one stream: sockets and queues take it without waiting. */
#define MOST_UNDER_WAY 65536
#define SOCKET_LENGTH (16 * MOST_UNDER_WAY)
#define TICK_MILLISECONDS 2
/* A stream that was held up catches up by so much time, not more: what is counted in a phase was mostly sent in it. */
#define MOST_ARREARS 0.1
#define PATIENCE_SECONDS 20

enum phase { BEFORE, DURING, AFTER, PHASES };

struct stream {
    int fd;
    uint64_t sent, received;
    double due; /* bytes */
    double heard;
    uint64_t received_by[PHASES];
    bool is_lost, is_wrong;
};

static struct stream streams[MOST_STREAMS];
static volatile sig_atomic_t command_status = -1;

/* What stands at a place of a stream: places that are near, and streams that are neighbours, differ. */
static uint8_t byte_at(int stream, uint64_t place) { return (uint8_t)((place * 167 + (place >> 8) * 59 + (place >> 16) * 13 + (uint64_t)stream * 101) >> 1); }

static void set_nonblocking(int fd)
{
    int yes = 1, length = SOCKET_LENGTH;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &length, sizeof length);
}

/* Gives back what came: the socket has room for all that may be under way, so that no stream waits for another. */
static void echo(int fd)
{
    char bytes[CHUNK];
    for (;;) {
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            close(fd);
            return;
        }
        if (count < 0)
            return;
        for (ssize_t done = 0; done < count;) {
            ssize_t part = send(fd, bytes + done, (size_t)(count - done), MSG_NOSIGNAL);
            if (part < 0 && errno != EAGAIN) {
                close(fd);
                return;
            }
            done += part > 0 ? part : 0;
        }
    }
}

static void serve(int listener)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64], wanted = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                echo(events[i].data.fd);
                continue;
            }
            int fd = accept(listener, NULL, NULL);
            if (fd < 0)
                continue;
            set_nonblocking(fd);
            wanted.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
        }
    }
}

static void start_server(const struct load *load)
{
    int yes = 1;
    enter_namespace(load->at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->listen_port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, MOST_STREAMS))
        end(1, "cannot listen on port %d of %s: %s", load->listen_port, load->at, strerror(errno));
    start_child(serve, fd);
    close(fd);
}

static void connect_all(const struct load *load)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    enter_namespace(load->from);
    for (long i = 0; i < load->count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            end(1, "no socket: %s", strerror(errno));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, (const struct sockaddr *)&load->target, sizeof load->target))
            end(1, "cannot connect from %s: %s", load->from, errno == EINPROGRESS ? "no answer" : strerror(errno));
        set_nonblocking(fd);
        streams[i] = (struct stream){.fd = fd, .heard = now()};
    }
}

static void send_due(struct stream *stream, int index)
{
    uint8_t bytes[CHUNK];
    while ((double)stream->sent < stream->due && stream->sent - stream->received < MOST_UNDER_WAY) {
        size_t length = (size_t)(stream->due - (double)stream->sent) + 1;
        length = length < sizeof bytes ? length : sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = byte_at(index, stream->sent + i);
        ssize_t count = send(stream->fd, bytes, length, MSG_NOSIGNAL);
        if (count < 0) {
            stream->is_lost |= errno != EAGAIN;
            return;
        }
        stream->sent += (uint64_t)count;
    }
}

static void receive_all(struct stream *stream, int index, enum phase phase, double time)
{
    uint8_t bytes[CHUNK];
    for (;;) {
        ssize_t count = recv(stream->fd, bytes, sizeof bytes, 0);
        if (count <= 0) {
            stream->is_lost |= count == 0 || errno != EAGAIN;
            return;
        }
        for (ssize_t i = 0; i < count; i++)
            stream->is_wrong |= bytes[i] != byte_at(index, stream->received + (uint64_t)i);
        stream->received += (uint64_t)count;
        stream->received_by[phase] += (uint64_t)count;
        stream->heard = time;
    }
}

static double longest_silence;

/* One round over all of them; the time since the last one is due. */
static void turn(const struct load *load, enum phase phase, double *last)
{
    double time = now(), share = (double)load->rate / (double)load->count;
    for (int i = 0; i < load->count; i++) {
        struct stream *stream = &streams[i];
        if (stream->is_lost)
            continue;
        stream->due += (time - *last) * share;
        if (stream->due > (double)stream->sent + MOST_ARREARS * share)
            stream->due = (double)stream->sent + MOST_ARREARS * share;
        longest_silence = time - stream->heard > longest_silence ? time - stream->heard : longest_silence;
        send_due(stream, i);
        receive_all(stream, i, phase, time);
    }
    *last = time;
    nanosleep(&(struct timespec){.tv_nsec = TICK_MILLISECONDS * 1000000}, NULL);
}

static void note_end(int signal)
{
    (void)signal;
    int status;
    if (waitpid(-1, &status, WNOHANG) > 0 && command_status < 0)
        command_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void start_command(char **command)
{
    pid_t child = fork();
    if (child < 0)
        end(1, "fork: %s", strerror(errno));
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(command[0], command);
        end(127, "cannot run %s: %s", command[0], strerror(errno));
    }
}

static double bytes_of(enum phase phase)
{
    double bytes = 0;
    for (int i = 0; i < MOST_STREAMS; i++)
        bytes += (double)streams[i].received_by[phase];
    return bytes;
}

static void report(const struct load *load, const double *seconds)
{
    static const char *names[] = {"before", "during", "after"};
    int lost = 0, wrong = 0;
    for (int i = 0; i < load->count; i++) {
        /* One that hears nothing any more is lost too, whatever its socket believes. */
        lost += streams[i].is_lost || streams[i].received_by[AFTER] == 0;
        wrong += streams[i].is_wrong;
    }
    printf("{\"streams\":%ld,\"lost\":%d,\"wrong\":%d,\"longestSilenceSeconds\":%.3f", load->count, lost, wrong, longest_silence);
    for (int i = 0; i < PHASES; i++)
        printf(",\"%s\":{\"seconds\":%.3f,\"bytesPerSecond\":%.0f}", names[i], seconds[i], bytes_of(i) / seconds[i]);
    printf(",\"commandExit\":%d}\n", (int)command_status);
}

int run_streams(const struct load *load)
{
    double seconds[PHASES], last, begun;
    start_server(load);
    connect_all(load);
    last = begun = now();
    for (int i = 0; i < load->count; i++)
        streams[i].heard = begun;
    while (now() < begun + 1)
        turn(load, BEFORE, &last); /* windows open */
    for (int i = 0; i < load->count; i++)
        streams[i].received_by[BEFORE] = 0;
    for (int phase = BEFORE; phase < PHASES; phase++) {
        begun = now();
        if (phase == DURING) {
            /* From here on only, as the server is a child too. */
            sigaction(SIGCHLD, &(struct sigaction){.sa_handler = note_end, .sa_flags = SA_RESTART}, NULL);
            start_command(load->command);
        }
        while (phase == DURING ? command_status < 0 : now() < begun + load->seconds)
            turn(load, phase, &last);
        seconds[phase] = now() - begun;
    }
    report(load, seconds);
    return command_status > 0;
}
