/* The figures of a machine as one OpenMetrics page: from facts to text. Pure: what the kernel says
 * in files arrives as their text. docs/reference/metrics.md lists the families. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "node/openmetrics.h"
#include "work/snapshot.h"

enum { METRICS_FILESYSTEMS_MAX = 8, METRICS_FILES_MAX = 32, METRICS_NAME_SIZE = 64 };

struct metrics_filesystem {
    const char *mount;
    uint64_t size_bytes;
    uint64_t free_bytes;
};

/* What a service's control group counts. */
struct metrics_usage {
    bool known;
    uint64_t memory_bytes;
    uint64_t cpu_us;
};

/* A file of others, taken or refused. */
struct metrics_file {
    char name[METRICS_NAME_SIZE];
    bool refused;
    uint64_t modified_s; /* since 1970 */
};

struct metrics_facts {
    /* Texts; "" when unknown. */
    const char *version, *generation, *profile, *kernel, *slot, *secure_boot, *tpm;

    uint64_t uptime_us;
    bool ready;
    uint64_t ready_us; /* when it was, since the kernel's start */

    /* Contents of /proc/stat, /proc/meminfo, /proc/loadavg and /proc/net/dev; "" when unread. */
    const char *stat, *meminfo, *loadavg, *net_dev;
    uint64_t ticks_per_second;

    struct metrics_filesystem filesystems[METRICS_FILESYSTEMS_MAX];
    size_t filesystem_count;

    const struct snapshot *services; /* NULL when not known */
    struct metrics_usage usage[SNAPSHOT_SERVICES_MAX];

    bool clock_known, clock_synchronized;
    uint64_t clock_error_us;

    struct metrics_file files[METRICS_FILES_MAX];
    size_t file_count;
};

/* Adds all families but the end of the page. */
void metrics_add(const struct metrics_facts *facts, struct text *t);
