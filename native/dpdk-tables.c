/*
 * DPDK's tables over the prefixes, addresses and flows that tests/Benchmarks has written, for comparison on the same machine in the same
 * minute. Takes the name of the folder with the files. Says "ready" when all is loaded; then each line "lpm N" or "hash N" on standard
 * input makes one pass in bursts of N, and the answer is the nanoseconds of the pass and a sum of what was found, which shows that both
 * programs found the same. Nothing of the product needs it.
 *
 * Files, little endian: prefixes (u32 address, u32 length), addresses (u32), flows (40 bytes, FlowKey as it lies in memory),
 * lookups (u32, index of a flow). The value of a prefix or flow is its number in the file.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_lpm.h>

#define KEY_LENGTH 40
#define MAX_BURST 64

struct prefix {
    uint32_t address;
    uint32_t length;
};

static struct rte_lpm *lpm;
static struct rte_hash *hash;
static uint32_t *addresses;
static uint32_t address_count;
static uint8_t *searched; /* a key for each look-up, in the order in which they are looked up */
static uint32_t lookup_count;
static uint32_t *flow_at; /* the flow at a position of the hash */

static void die(const char *what)
{
    fprintf(stderr, "dpdk-tables: %s\n", what);
    exit(1);
}

static void *read_file(const char *folder, const char *name, size_t item, uint32_t *count)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0)
        die(path);
    char *bytes = malloc(status.st_size);
    for (off_t done = 0; done < status.st_size;) {
        ssize_t got = read(fd, bytes + done, status.st_size - done);
        if (got <= 0)
            die(path);
        done += got;
    }
    close(fd);
    *count = status.st_size / item;
    return bytes;
}

static void load_lpm(const char *folder)
{
    uint32_t count;
    struct prefix *prefixes = read_file(folder, "prefixes", sizeof(struct prefix), &count);
    struct rte_lpm_config config = {.max_rules = count, .number_tbl8s = 1 << 16};
    lpm = rte_lpm_create("prefixes", SOCKET_ID_ANY, &config);
    if (!lpm)
        die("rte_lpm_create");
    for (uint32_t i = 0; i < count; i++)
        if (rte_lpm_add(lpm, prefixes[i].address, prefixes[i].length, i) != 0)
            die("rte_lpm_add");
    free(prefixes);
    addresses = read_file(folder, "addresses", sizeof(uint32_t), &address_count);
}

static void load_hash(const char *folder, uint32_t capacity)
{
    uint32_t count;
    uint8_t *flows = read_file(folder, "flows", KEY_LENGTH, &count);
    struct rte_hash_parameters parameters = {.name = "flows", .entries = capacity, .key_len = KEY_LENGTH, .socket_id = SOCKET_ID_ANY};
    hash = rte_hash_create(&parameters); /* the hash function is left to DPDK: CRC32C by instruction where the processor has it */
    if (!hash)
        die("rte_hash_create");
    flow_at = calloc(capacity + MAX_BURST, sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        int32_t position = rte_hash_add_key(hash, flows + (size_t)i * KEY_LENGTH);
        if (position < 0)
            die("rte_hash_add_key");
        flow_at[position] = i;
    }
    uint32_t *lookups = read_file(folder, "lookups", sizeof(uint32_t), &lookup_count);
    searched = malloc((size_t)lookup_count * KEY_LENGTH);
    for (uint32_t i = 0; i < lookup_count; i++)
        memcpy(searched + (size_t)i * KEY_LENGTH, flows + (size_t)lookups[i] * KEY_LENGTH, KEY_LENGTH);
    free(lookups);
    free(flows);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pass_lpm(uint32_t burst)
{
    uint32_t found[MAX_BURST];
    uint64_t sum = 0;
    uint64_t start = now();
    for (uint32_t i = 0; i + burst <= address_count; i += burst) {
        rte_lpm_lookup_bulk(lpm, addresses + i, found, burst);
        for (uint32_t j = 0; j < burst; j++)
            sum += found[j] & RTE_LPM_LOOKUP_SUCCESS ? found[j] & 0xFFFFFF : 0;
    }
    printf("%lu %lu\n", now() - start, sum);
}

static void pass_hash(uint32_t burst, int check)
{
    const void *keys[MAX_BURST];
    int32_t found[MAX_BURST];
    uint64_t sum = 0;
    uint64_t start = now();
    for (uint32_t i = 0; i + burst <= lookup_count; i += burst) {
        for (uint32_t j = 0; j < burst; j++)
            keys[j] = searched + (size_t)(i + j) * KEY_LENGTH;
        rte_hash_lookup_bulk(hash, keys, burst, found);
        for (uint32_t j = 0; j < burst; j++)
            sum += check ? (found[j] < 0 ? 0 : flow_at[found[j]]) : (uint32_t)found[j];
    }
    printf("%lu %lu\n", now() - start, sum);
}

int main(int count, char **arguments)
{
    if (count < 3)
        die("usage: dpdk-tables FOLDER CAPACITY");
    char *eal[] = {arguments[0], "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "--log-level=lib.eal:error", "-m", "1024", "-l", "0,1"};
    int eal_count = sizeof(eal) / sizeof(eal[0]);
    if (rte_eal_init(eal_count, eal) < 0)
        die("rte_eal_init");
    load_lpm(arguments[1]);
    load_hash(arguments[1], atoi(arguments[2]));
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    char line[64], what[16];
    uint32_t burst;
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%15s %u", what, &burst) != 2 || burst == 0 || burst > MAX_BURST)
            die("a line is lpm, hash or check and the length of a burst, up to 64");
        if (strcmp(what, "lpm") == 0)
            pass_lpm(burst);
        else
            pass_hash(burst, strcmp(what, "check") == 0);
    }
    return 0;
}
