#include "node/metrics.h"

#include <string.h>

#include "base/cursor.h"
#include "base/number.h"

enum { US_DECIMALS = 6, CENT_DECIMALS = 2, FIELDS_MAX = 20 };

typedef const struct openmetrics_label label;

static void add(struct text *t, const char *name, uint64_t number, unsigned decimals)
{
    openmetrics_sample(t, name, NULL, 0, number, decimals);
}

static void add_one(struct text *t, const char *name, const char *label_name, const char *value,
                    uint64_t number, unsigned decimals)
{
    label labels[] = { { label_name, value } };

    openmetrics_sample(t, name, labels, ARRAY_SIZE(labels), number, decimals);
}

/* --- What runs, and since when --- */

static void add_boot(const struct metrics_facts *facts, struct text *t)
{
    label build[] = { { "version", facts->version },
                      { "generation", facts->generation },
                      { "profile", facts->profile },
                      { "kernel", facts->kernel } };
    label boot[] = { { "slot", facts->slot },
                     { "secureboot", facts->secure_boot },
                     { "tpm", facts->tpm } };

    openmetrics_family(t, "broch_build", "info", NULL, "What runs.");
    openmetrics_sample(t, "broch_build_info", build, ARRAY_SIZE(build), 1, 0);
    openmetrics_family(t, "broch_boot", "info", NULL, "How it was started.");
    openmetrics_sample(t, "broch_boot_info", boot, ARRAY_SIZE(boot), 1, 0);
    openmetrics_family(t, "broch_uptime_seconds", "gauge", "seconds", "Since the kernel's start.");
    add(t, "broch_uptime_seconds", facts->uptime_us, US_DECIMALS);
    openmetrics_family(t, "broch_ready", "gauge", NULL, "1 when the machine became ready.");
    add(t, "broch_ready", facts->ready, 0);
    if (!facts->ready)
        return;
    openmetrics_family(t, "broch_ready_after_seconds", "gauge", "seconds",
                       "From the kernel's start until the machine was ready.");
    add(t, "broch_ready_after_seconds", facts->ready_us, US_DECIMALS);
}

/* --- Texts of the kernel --- */

struct word {
    const char *text;
    size_t length;
};

/* Splits a line at blanks; words beyond the array are left out. */
static size_t split(const char *line, size_t length, struct word ret[static FIELDS_MAX])
{
    size_t count = 0, i = 0;

    while (i < length && count < FIELDS_MAX) {
        size_t start;

        while (i < length && line[i] == ' ')
            i++;
        for (start = i; i < length && line[i] != ' ';)
            i++;
        if (i > start)
            ret[count++] = (struct word){ line + start, i - start };
    }
    return count;
}

static bool parse(const struct word *word, uint64_t *ret)
{
    return number_parse(word->text, word->length, UINT64_MAX, ret) == 0;
}

static void copy(const struct word *word, char ret[static METRICS_NAME_SIZE])
{
    size_t length = word->length < METRICS_NAME_SIZE ? word->length : METRICS_NAME_SIZE - 1;

    memcpy(ret, word->text, length);
    ret[length] = '\0';
}

static void add_cpu_line(const struct word *words, size_t count, uint64_t hz, struct text *t)
{
    static const char *const modes[] = { "user",   "nice", "system",  "idle",
                                         "iowait", "irq",  "softirq", "steal" };
    const struct word number = { words[0].text + 3, words[0].length - 3 };
    char cpu[METRICS_NAME_SIZE];

    copy(&number, cpu);
    for (size_t i = 0; i < ARRAY_SIZE(modes) && i + 1 < count; i++) {
        label labels[] = { { "cpu", cpu }, { "mode", modes[i] } };
        uint64_t ticks, cents;

        if (parse(&words[i + 1], &ticks) && mul_ok(ticks, 100, &cents))
            openmetrics_sample(t, "broch_cpu_seconds_total", labels, ARRAY_SIZE(labels), cents / hz,
                               CENT_DECIMALS);
    }
}

/* "cpu0 user nice ...": one line for each processor; the first line is their sum. */
static void add_cpus(const struct metrics_facts *facts, struct text *t)
{
    struct cursor c = cursor_make(facts->stat, strlen(facts->stat));
    struct word words[FIELDS_MAX];
    const char *line;
    size_t length;

    openmetrics_family(t, "broch_cpu_seconds", "counter", "seconds",
                       "Time of each processor, by what it did.");
    while (facts->ticks_per_second > 0 && cursor_line(&c, &line, &length)) {
        size_t count = split(line, length, words);

        if (count > 1 && words[0].length > 3 && memcmp(words[0].text, "cpu", 3) == 0)
            add_cpu_line(words, count, facts->ticks_per_second, t);
    }
}

static void add_memory(const struct metrics_facts *facts, struct text *t)
{
    static const struct {
        const char *key;
        const char *kind;
    } table[] = {
        { "MemTotal:", "total" },         { "MemFree:", "free" },
        { "MemAvailable:", "available" }, { "Buffers:", "buffers" },
        { "Cached:", "cached" },          { "Shmem:", "shared" },
        { "SwapTotal:", "swap_total" },   { "SwapFree:", "swap_free" },
    };
    struct cursor c = cursor_make(facts->meminfo, strlen(facts->meminfo));
    struct word words[FIELDS_MAX];
    const char *line;
    size_t length;

    openmetrics_family(t, "broch_memory_bytes", "gauge", "bytes", "Memory, by kind.");
    while (cursor_line(&c, &line, &length)) {
        size_t count = split(line, length, words);
        uint64_t kib, bytes;

        for (size_t i = 0; count > 1 && i < ARRAY_SIZE(table); i++) {
            if (strlen(table[i].key) == words[0].length &&
                memcmp(table[i].key, words[0].text, words[0].length) == 0 &&
                parse(&words[1], &kib) && mul_ok(kib, KIB, &bytes))
                add_one(t, "broch_memory_bytes", "kind", table[i].kind, bytes, 0);
        }
    }
}

/* "0.42" as 42. */
static bool parse_cents(const struct word *word, uint64_t *ret)
{
    const char *dot = memchr(word->text, '.', word->length);
    size_t whole = dot ? (size_t)(dot - word->text) : 0;
    uint64_t cents;

    if (!dot || word->length - whole != 3 || dot[1] < '0' || dot[1] > '9' || dot[2] < '0' ||
        dot[2] > '9' || number_parse(word->text, whole, UINT32_MAX, &cents) < 0)
        return false;
    *ret = cents * 100 + (uint64_t)(dot[1] - '0') * 10 + (uint64_t)(dot[2] - '0');
    return true;
}

static void add_load(const struct metrics_facts *facts, struct text *t)
{
    static const char *const minutes[] = { "1", "5", "15" };
    struct word words[FIELDS_MAX];
    size_t count = split(facts->loadavg, strlen(facts->loadavg), words);

    openmetrics_family(t, "broch_load", "gauge", NULL, "Average number of tasks that want to run.");
    for (size_t i = 0; i < ARRAY_SIZE(minutes) && i < count; i++) {
        uint64_t cents;

        if (parse_cents(&words[i], &cents))
            add_one(t, "broch_load", "minutes", minutes[i], cents, CENT_DECIMALS);
    }
}

static void add_filesystems(const struct metrics_facts *facts, struct text *t)
{
    openmetrics_family(t, "broch_filesystem_size_bytes", "gauge", "bytes", "Size.");
    for (size_t i = 0; i < facts->filesystem_count; i++)
        add_one(t, "broch_filesystem_size_bytes", "mount", facts->filesystems[i].mount,
                facts->filesystems[i].size_bytes, 0);
    openmetrics_family(t, "broch_filesystem_free_bytes", "gauge", "bytes", "Room for users.");
    for (size_t i = 0; i < facts->filesystem_count; i++)
        add_one(t, "broch_filesystem_free_bytes", "mount", facts->filesystems[i].mount,
                facts->filesystems[i].free_bytes, 0);
}

/* One column of /proc/net/dev for all interfaces: "eth0: bytes packets errs drop ...". */
static void add_network_column(const char *text, size_t column, const char *sample, struct text *t)
{
    struct cursor c = cursor_make(text, strlen(text));
    struct word words[FIELDS_MAX];
    const char *line;
    size_t length;

    while (cursor_line(&c, &line, &length)) {
        size_t count = split(line, length, words);
        char name[METRICS_NAME_SIZE];
        uint64_t value;

        if (count <= column || words[0].length < 2 || words[0].text[words[0].length - 1] != ':')
            continue; /* the two lines of headings have their bars elsewhere */
        words[0].length--;
        copy(&words[0], name);
        if (parse(&words[column], &value))
            add_one(t, sample, "interface", name, value, 0);
    }
}

static void add_network(const struct metrics_facts *facts, struct text *t)
{
    static const struct {
        size_t column;
        const char *name, *sample, *unit, *help;
    } table[] = {
        { 1, "broch_network_receive_bytes", "broch_network_receive_bytes_total", "bytes",
          "Received." },
        { 2, "broch_network_receive_packets", "broch_network_receive_packets_total", "packets",
          "Received." },
        { 3, "broch_network_receive_errors", "broch_network_receive_errors_total", "errors",
          "Received and wrong." },
        { 4, "broch_network_receive_drops", "broch_network_receive_drops_total", "drops",
          "Received and dropped." },
        { 9, "broch_network_transmit_bytes", "broch_network_transmit_bytes_total", "bytes",
          "Sent." },
        { 10, "broch_network_transmit_packets", "broch_network_transmit_packets_total", "packets",
          "Sent." },
        { 11, "broch_network_transmit_errors", "broch_network_transmit_errors_total", "errors",
          "Not sent." },
        { 12, "broch_network_transmit_drops", "broch_network_transmit_drops_total", "drops",
          "Dropped before sending." },
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        openmetrics_family(t, table[i].name, "counter", table[i].unit, table[i].help);
        add_network_column(facts->net_dev, table[i].column, table[i].sample, t);
    }
}

/* --- Services --- */

static void add_states(const struct snapshot *services, struct text *t)
{
    openmetrics_family(t, "broch_service_state", "stateset", NULL, "What each service does.");
    for (size_t i = 0; i < services->count; i++) {
        for (enum snapshot_state state = 0; state < SNAPSHOT_STATE_MAX_; state++) {
            label labels[] = { { "service", services->services[i].name },
                               { "broch_service_state", snapshot_state_name(state) } };

            openmetrics_sample(t, "broch_service_state", labels, ARRAY_SIZE(labels),
                               services->services[i].state == state, 0);
        }
    }
}

static void add_services(const struct metrics_facts *facts, struct text *t)
{
    const struct snapshot *services = facts->services;

    if (!services)
        return;
    add_states(services, t);
    openmetrics_family(t, "broch_service_restarts", "counter", "restarts",
                       "Starts after the first one, in this boot.");
    for (size_t i = 0; i < services->count; i++)
        add_one(t, "broch_service_restarts_total", "service", services->services[i].name,
                services->services[i].restarts, 0);
    openmetrics_family(t, "broch_service_memory_bytes", "gauge", "bytes",
                       "Memory of all its processes.");
    for (size_t i = 0; i < services->count; i++) {
        if (facts->usage[i].known)
            add_one(t, "broch_service_memory_bytes", "service", services->services[i].name,
                    facts->usage[i].memory_bytes, 0);
    }
    openmetrics_family(t, "broch_service_cpu_seconds", "counter", "seconds",
                       "Processor time of all its processes.");
    for (size_t i = 0; i < services->count; i++) {
        if (facts->usage[i].known)
            add_one(t, "broch_service_cpu_seconds_total", "service", services->services[i].name,
                    facts->usage[i].cpu_us, US_DECIMALS);
    }
}

/* --- Clock and files --- */

static void add_clock(const struct metrics_facts *facts, struct text *t)
{
    if (!facts->clock_known)
        return;
    openmetrics_family(t, "broch_clock_synchronized", "gauge", NULL,
                       "1 when the kernel's clock follows a time source.");
    add(t, "broch_clock_synchronized", facts->clock_synchronized, 0);
    openmetrics_family(t, "broch_clock_error_seconds", "gauge", "seconds",
                       "How wrong the clock may be at most.");
    add(t, "broch_clock_error_seconds", facts->clock_error_us, US_DECIMALS);
}

static void add_files(const struct metrics_facts *facts, struct text *t)
{
    openmetrics_family(t, "broch_textfile_refused", "gauge", NULL,
                       "1 for a file of /var/lib/broch/metrics that could not be taken over.");
    for (size_t i = 0; i < facts->file_count; i++)
        add_one(t, "broch_textfile_refused", "file", facts->files[i].name, facts->files[i].refused,
                0);
    openmetrics_family(t, "broch_textfile_modified_timestamp_seconds", "gauge", "seconds",
                       "When the file was written: an old one speaks of old times.");
    for (size_t i = 0; i < facts->file_count; i++)
        add_one(t, "broch_textfile_modified_timestamp_seconds", "file", facts->files[i].name,
                facts->files[i].modified_s, 0);
}

void metrics_add(const struct metrics_facts *facts, struct text *t)
{
    add_boot(facts, t);
    add_cpus(facts, t);
    add_memory(facts, t);
    add_load(facts, t);
    add_filesystems(facts, t);
    add_network(facts, t);
    add_services(facts, t);
    add_clock(facts, t);
    add_files(facts, t);
}
