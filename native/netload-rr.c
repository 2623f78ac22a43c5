/* netload rr: requests and answers over TCP, each connection with one under way. */
#include "netload.h"
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MESSAGE_LENGTH 64
#define MOST_CONNECTIONS 256
#define MOST_SAMPLES (1 << 25)
#define WARM_UP 0.2
/* With a command: so long it runs alone before and after. */
#define BESIDE 0.3
#define PATIENCE_MILLISECONDS 5000

static const int yes = 1;
static float *samples; /* seconds from request to answer */
static size_t sample_count;
static double asked_at[MOST_CONNECTIONS];
static volatile double command_ended;
static volatile int command_status = -1;

static int make_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        end(1, "epoll: %s", strerror(errno));
    return epoll;
}

static void watch(int epoll, int fd, uint64_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        end(1, "epoll: %s", strerror(errno));
}

/* A message as a whole: it is far shorter than a segment. */
static bool take_message(int fd)
{
    char message[MESSAGE_LENGTH];
    return recv(fd, message, sizeof message, MSG_WAITALL) == sizeof message;
}

static bool give_message(int fd)
{
    static const char message[MESSAGE_LENGTH];
    return send(fd, message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

static void serve(int listener)
{
    int epoll = make_epoll();
    watch(epoll, listener, (uint64_t)listener);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u64;
            if (fd == listener) {
                fd = accept(listener, NULL, NULL);
                watch(epoll, fd, (uint64_t)fd);
            } else if (!take_message(fd) || !give_message(fd)) {
                close(fd);
            }
        }
    }
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        end(1, "no socket: %s", strerror(errno));
    return fd;
}

static void start_server(const struct load *load)
{
    enter_namespace(load->at);
    int fd = tcp_socket();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->listen_port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, MOST_CONNECTIONS))
        end(1, "cannot listen on port %d of %s: %s", load->listen_port, load->at, strerror(errno));
    start_child(serve, fd);
    close(fd);
}

static void ask(int fd, int index)
{
    asked_at[index] = now();
    if (!give_message(fd))
        end(1, "a connection broke: %s", strerror(errno));
}

static void connect_all(const struct load *load, int epoll, int *connections)
{
    struct timeval patience = {.tv_sec = PATIENCE_MILLISECONDS / 1000};
    enter_namespace(load->from);
    for (int i = 0; i < load->in_flight; i++) {
        connections[i] = tcp_socket();
        setsockopt(connections[i], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(connections[i], (const struct sockaddr *)&load->target, sizeof load->target))
            end(1, "cannot connect from %s: %s", load->from, errno == EINPROGRESS ? "no answer" : strerror(errno));
        watch(epoll, connections[i], (uint64_t)i);
    }
    for (int i = 0; i < load->in_flight; i++)
        ask(connections[i], i);
}

/* Takes the answers that are there and asks again. */
static void take_answers(int epoll, const int *connections)
{
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, 64, PATIENCE_MILLISECONDS);
    if (count == 0)
        end(1, "no answer for %d s", PATIENCE_MILLISECONDS / 1000);
    for (int i = 0; i < count; i++) {
        int index = (int)events[i].data.u64;
        if (!take_message(connections[index]))
            end(1, "a connection broke");
        if (sample_count < MOST_SAMPLES)
            samples[sample_count++] = (float)(now() - asked_at[index]);
        ask(connections[index], index);
    }
}

static void note_end(int signal)
{
    (void)signal;
    int status;
    if (waitpid(-1, &status, WNOHANG) > 0 && command_ended == 0) {
        command_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        command_ended = now();
    }
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

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double microseconds_at(double share) { return (double)samples[(size_t)(share * (double)(sample_count - 1))] * 1e6; }

static void report(double seconds, double processor, double command_seconds)
{
    if (sample_count == 0)
        end(1, "not one answer in %.1f s", seconds);
    qsort(samples, sample_count, sizeof *samples, ascending);
    printf("{\"seconds\":%.3f,\"answers\":%zu,\"rate\":%.0f,\"p50Microseconds\":%.1f,\"p99Microseconds\":%.1f,\"p999Microseconds\":%.1f,"
           "\"worstMicroseconds\":%.1f,\"processorSeconds\":%.2f,\"nanosecondsPerPacket\":%.1f",
           seconds, sample_count, (double)sample_count / seconds, microseconds_at(0.5), microseconds_at(0.99), microseconds_at(0.999),
           microseconds_at(1), processor, processor * 1e9 / (2 * (double)sample_count));
    if (command_status >= 0)
        printf(",\"commandMilliseconds\":%.1f,\"commandExit\":%d", command_seconds * 1e3, command_status);
    puts("}");
}

int run_rr(const struct load *load)
{
    int connections[MOST_CONNECTIONS], epoll = make_epoll();
    samples = calloc(MOST_SAMPLES, sizeof *samples);
    start_server(load);
    connect_all(load, epoll, connections);
    for (double begun = now(); now() < begun + WARM_UP;)
        take_answers(epoll, connections);
    sample_count = 0;
    double begun = now(), processor = processor_seconds(), command_began = 0;
    if (load->command) {
        while (now() < begun + BESIDE)
            take_answers(epoll, connections);
        /* From here on only, as the receiver is a child too. */
        sigaction(SIGCHLD, &(struct sigaction){.sa_handler = note_end, .sa_flags = SA_RESTART}, NULL);
        command_began = now();
        start_command(load->command);
        while (command_ended == 0 || now() < command_ended + BESIDE)
            take_answers(epoll, connections);
    }
    while (now() < begun + (load->command ? 0 : load->seconds))
        take_answers(epoll, connections);
    report(now() - begun, processor_seconds() - processor, command_ended - command_began);
    return command_status > 0;
}
