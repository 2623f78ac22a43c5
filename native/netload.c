/*
 * netload: loads a path between two network namespaces and says in one line of JSON what came of it. Both ends are its own, so that what
 * was sent, what arrived and what the machine spent on it are counted over the same time.
 */
#include "netload.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

static void show_help(void)
{
    puts("usage: netload udp|rr|flows|flood|streams --from NAMESPACE --to ADDRESS:PORT [OPTION...] [-- COMMAND...]\n"
         "Loads a path between two network namespaces, both ends of which are its own; says in one line of JSON what came of it.\n\n"
         "  udp    UDP packets of 18 bytes (frames of 60 bytes, 64 with their check sequence) to a receiver that counts them\n"
         "  rr     TCP requests of 64 bytes, answered with 64 bytes; with a COMMAND, for as long as that runs\n"
         "  flows  one TCP packet (ACK) of each of many flows, from many source ports to the target's port and those after it\n"
         "  flood  packets of which each is another's, to fill tables with; nobody receives them\n"
         "  streams  TCP connections whose every byte comes back and is looked at, before, while and after a COMMAND runs\n\n"
         "  --from NAMESPACE   the sender's: a name under /run/netns or a path\n"
         "  --at NAMESPACE     the receiver's\n"
         "  --to ADDRESS:PORT  what the sender addresses (IPv4); may be a service in front of the receiver\n"
         "  --listen PORT      the receiver's port (the one of --to)\n"
         "  --source ADDRESS   flows, flood: the sender's address\n"
         "  --kind KIND        flood: syn, udp, fragments (mostly first ones), errors (ICMP about packets that nobody sent), scan (SYNs,\n"
         "                     port by port), arp or nd (strangers that ask for the target's MAC address)\n"
         "  --source-spread N  flood: so many last bits of the source are thrown, 0 to 24 (0)\n"
         "  --target-spread N  flood: and of the target (0); its ports too if --to has port 0\n"
         "  --rate N           packets a second; 0 sends as many as possible (0); streams: bytes a second, all together\n"
         "  --count N          udp: source ports that take turns, 1 to 4096 (1); flows: how many, up to 4000000;\n"
         "                     streams: connections, up to 1024\n"
         "  --in-flight N      rr: connections with a request under way each, 1 to 256 (1)\n"
         "  --search           udp: looks for the highest rate at which at most 1 packet in 1,000 is lost\n"
         "  --seconds S        how long it is measured, 1 to 600 (3); a fifth of a second of warming up comes before;\n"
         "                     streams: how long before the command, and again after it\n"
         "  --help             this");
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double processor_seconds(void)
{
    unsigned long user, nice, system, idle, iowait, irq, softirq;
    FILE *file = fopen("/proc/stat", "re");
    if (!file || fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &system, &idle, &iowait, &irq, &softirq) != 7)
        end(1, "/proc/stat does not say what the processors did");
    fclose(file);
    return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

void start_child(void (*work)(int), int argument)
{
    pid_t child = fork();
    if (child < 0)
        end(1, "fork: %s", strerror(errno));
    if (child > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(argument);
    _exit(0);
}

uint32_t sum_of(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2) {
        uint16_t word;
        memcpy(&word, bytes + i, sizeof word);
        sum += word;
    }
    if (length % 2) {
        uint16_t word = 0;
        memcpy(&word, bytes + length - 1, 1);
        sum += word;
    }
    return sum;
}

uint16_t internet_checksum(uint32_t sum, const void *data, size_t length)
{
    sum += sum_of(data, length);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t transport_checksum(const struct iphdr *ip, const void *segment, size_t length)
{
    return internet_checksum(sum_of(&ip->saddr, 8) + htons(ip->protocol) + htons((uint16_t)length), segment, length);
}

static struct in_addr address(const char *option, const char *text)
{
    struct in_addr value;
    if (inet_pton(AF_INET, text, &value) != 1)
        end(2, "%s takes an IPv4 address, not '%s'", option, text);
    return value;
}

static struct sockaddr_in address_and_port(char *text)
{
    char *colon = strchr(text, ':');
    if (!colon)
        end(2, "--to takes ADDRESS:PORT, not '%s'", text);
    *colon = '\0';
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr = address("--to", text),
        .sin_port = htons((uint16_t)number("the port of --to", colon + 1, 0, 65535)),
    };
}

static void read_option(struct load *load, int option, char *value)
{
    switch (option) {
    case 'f': load->from = value; break;
    case 'a': load->at = value; break;
    case 't': load->target = address_and_port(value); break;
    case 'l': load->listen_port = (int)number("--listen", value, 1, 65535); break;
    case 'o': load->source = address("--source", value); break;
    case 'k': load->kind = value; break;
    case 'S': load->source_spread = (int)number("--source-spread", value, 0, 24); break;
    case 'T': load->target_spread = (int)number("--target-spread", value, 0, 24); break;
    case 'r': load->rate = number("--rate", value, 0, 100000000); break;
    case 'c': load->count = number("--count", value, 1, 4000000); break;
    case 'i': load->in_flight = (int)number("--in-flight", value, 1, 256); break;
    case 'x': load->search = true; break;
    case 's': load->seconds = (double)number("--seconds", value, 1, 600); break;
    }
}

static void check(const struct load *load, const char *kind)
{
    bool is_flood = strcmp(kind, "flood") == 0, is_streams = strcmp(kind, "streams") == 0;
    if (!load->from || load->target.sin_family == 0 || (load->target.sin_port == 0 && !is_flood))
        end(2, "--from and --to are needed");
    if (strcmp(kind, "flows") == 0 || is_flood) {
        if (load->source.s_addr == 0)
            end(2, "%s needs --source, the sender's address", kind);
    } else if (!load->at) {
        end(2, "%s needs --at, the receiver's namespace", kind);
    }
    if (strcmp(kind, "udp") == 0 && load->count > 4096)
        end(2, "udp takes at most 4096 source ports");
    if (is_streams && (load->count > 1024 || load->rate == 0 || !load->command))
        end(2, "streams needs --rate and a command, and takes at most 1024 connections");
    if (load->command && strcmp(kind, "rr") != 0 && !is_streams)
        end(2, "only rr and streams run a command meanwhile");
}

static void read_options(struct load *load, int count, char **arguments)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},    {"at", required_argument, NULL, 'a'},        {"to", required_argument, NULL, 't'},
        {"listen", required_argument, NULL, 'l'},  {"source", required_argument, NULL, 'o'},    {"rate", required_argument, NULL, 'r'},
        {"count", required_argument, NULL, 'c'},   {"in-flight", required_argument, NULL, 'i'}, {"search", no_argument, NULL, 'x'},
        {"seconds", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},            {"kind", required_argument, NULL, 'k'},
        {"source-spread", required_argument, NULL, 'S'}, {"target-spread", required_argument, NULL, 'T'}, {0},
    };
    opterr = 0;
    for (int option; (option = getopt_long(count, arguments, "+", options, NULL)) != -1;) {
        if (option == '?')
            end(2, "%s is not understood; --help tells what is", arguments[optind - 1]);
        if (option == 'h') {
            show_help();
            exit(0);
        }
        read_option(load, option, optarg);
    }
    if (optind == count)
        return;
    if (strcmp(arguments[optind - 1], "--") != 0)
        end(2, "'%s' is not understood; --help tells what is", arguments[optind]);
    load->command = arguments + optind;
}

int main(int count, char **arguments)
{
    static const struct { const char *name; int (*run)(const struct load *); } kinds[] = {
        {"udp", run_udp}, {"rr", run_rr}, {"flows", run_flows}, {"flood", run_flood}, {"streams", run_streams}};
    const char *kind = count > 1 ? arguments[1] : "";
    if (strcmp(kind, "--help") == 0)
        return show_help(), 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i].name) != 0)
            continue;
        struct load load = {.count = 1, .in_flight = 1, .seconds = 3};
        read_options(&load, count - 1, arguments + 1);
        if (load.listen_port == 0)
            load.listen_port = ntohs(load.target.sin_port);
        check(&load, kind);
        return kinds[i].run(&load);
    }
    end(2, "the first word is udp, rr, flows, flood or streams, not '%s'; --help tells more", kind);
}
