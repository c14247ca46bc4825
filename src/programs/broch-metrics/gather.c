#include "programs/broch-metrics/gather.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "node/facts.h"
#include "node/kernel_log.h"
#include "node/marker.h"
#include "node/metrics.h"
#include "sys/attribute.h"
#include "sys/file.h"

enum { KERNEL_TEXT_SIZE = 64 * 1024, RECORD_SIZE_MAX = 4096, GROUP_PATH_SIZE = 160 };

static const char groups[] = "/sys/fs/cgroup/broch";

/* Everything that the facts borrow. Static: one page at a time, and it is large. */
static struct {
    struct metrics_facts facts;
    struct facts boot;
    struct utsname kernel;
    struct snapshot services;
    struct openmetrics_names names;
    char stat[KERNEL_TEXT_SIZE], meminfo[KERNEL_TEXT_SIZE], loadavg[256], net_dev[KERNEL_TEXT_SIZE];
    struct text taken;
} page;

static void read_kernel(const char *path, char *buffer, size_t size)
{
    if (attribute_read(AT_FDCWD, path, buffer, size) < 0)
        buffer[0] = '\0';
}

static void gather_boot(struct metrics_facts *facts)
{
    struct failure ignored = FAILURE_NONE; /* what is not known is left empty */
    _cleanup_free_ uint8_t *record = NULL;
    size_t size;

    page.boot = (struct facts){ .generation = "" };
    if (facts_read(FACTS_PATH, &page.boot, &ignored) < 0)
        page.boot = (struct facts){ .generation = "" };
    if (uname(&page.kernel) < 0)
        page.kernel.release[0] = '\0';
    facts->version = BROCH_VERSION;
    facts->generation = page.boot.generation;
    facts->profile = page.boot.profile;
    facts->kernel = page.kernel.release;
    facts->slot = page.boot.slot;
    facts->secure_boot = page.boot.secure_boot;
    facts->tpm = page.boot.tpm;
    facts->uptime_us = kernel_log_now_us();
    facts->ready = file_read(MARKER_RECORD_PATH, RECORD_SIZE_MAX, &record, &size, &ignored) == 0 &&
                   marker_parse_record((const char *)record, size, &facts->ready_us) == 0;
}

static void gather_kernel(struct metrics_facts *facts)
{
    long ticks = sysconf(_SC_CLK_TCK);
    struct timex clock = { .modes = 0 };
    int state;

    read_kernel("/proc/stat", page.stat, sizeof(page.stat));
    read_kernel("/proc/meminfo", page.meminfo, sizeof(page.meminfo));
    read_kernel("/proc/loadavg", page.loadavg, sizeof(page.loadavg));
    read_kernel("/proc/net/dev", page.net_dev, sizeof(page.net_dev));
    facts->stat = page.stat;
    facts->meminfo = page.meminfo;
    facts->loadavg = page.loadavg;
    facts->net_dev = page.net_dev;
    facts->ticks_per_second = ticks > 0 ? (uint64_t)ticks : 0;
    state = adjtimex(&clock);
    facts->clock_known = state >= 0;
    facts->clock_synchronized = state >= 0 && !(clock.status & STA_UNSYNC);
    facts->clock_error_us = clock.maxerror > 0 ? (uint64_t)clock.maxerror : 0;
}

/* Those that can be full: the image is as full as it will ever be. */
static void gather_filesystems(struct metrics_facts *facts)
{
    static const char *const mounts[] = { "/var", "/home", "/run", "/tmp" };

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        struct statvfs status;

        if (statvfs(mounts[i], &status) < 0)
            continue;
        facts->filesystems[facts->filesystem_count++] =
            (struct metrics_filesystem){ mounts[i], (uint64_t)status.f_blocks * status.f_frsize,
                                         (uint64_t)status.f_bavail * status.f_frsize };
    }
}

/* "usage_usec 123" is the first line of cpu.stat. */
static bool read_cpu(const char *group, uint64_t *ret)
{
    static const char key[] = "usage_usec ";
    char path[GROUP_PATH_SIZE + 16], text[2048];
    struct cursor c;
    const char *line;
    size_t length, prefix = strlen(key);
    int size;

    (void)snprintf(path, sizeof(path), "%s/cpu.stat", group);
    size = attribute_read(AT_FDCWD, path, text, sizeof(text));
    if (size < 0)
        return false;
    c = cursor_make(text, (size_t)size);
    while (cursor_line(&c, &line, &length)) {
        if (length > prefix && memcmp(line, key, prefix) == 0)
            return number_parse(line + prefix, length - prefix, UINT64_MAX, ret) == 0;
    }
    return false;
}

static void gather_services(struct metrics_facts *facts)
{
    struct failure ignored = FAILURE_NONE; /* the orchestrator may not be up yet */

    if (snapshot_read(SNAPSHOT_PATH, &page.services, &ignored) < 0)
        return;
    facts->services = &page.services;
    for (size_t i = 0; i < page.services.count; i++) {
        struct metrics_usage *usage = &facts->usage[i];
        char group[GROUP_PATH_SIZE], path[GROUP_PATH_SIZE + 16];

        (void)snprintf(group, sizeof(group), "%s/%s", groups, page.services.services[i].name);
        (void)snprintf(path, sizeof(path), "%s/memory.current", group);
        usage->known =
            attribute_read_number(AT_FDCWD, path, UINT64_MAX, &usage->memory_bytes) >= 0 &&
            read_cpu(group, &usage->cpu_us);
    }
}

/* "NAME.prom", with nothing in it that a label would have to escape. */
static bool is_file_name(const char *name)
{
    static const char suffix[] = ".prom";
    size_t length = strlen(name);

    return length > strlen(suffix) && length < METRICS_NAME_SIZE && name[0] != '.' &&
           strcmp(name + length - strlen(suffix), suffix) == 0 &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static int take_file(const char *folder, const char *name, void *context, struct failure *f)
{
    struct metrics_facts *facts = context;
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct metrics_file *file;
    struct stat status;
    size_t size;
    int r;

    if (!is_file_name(name) || facts->file_count == METRICS_FILES_MAX || !path ||
        stat(path, &status) < 0)
        return 0;
    file = &facts->files[facts->file_count++];
    (void)snprintf(file->name, sizeof(file->name), "%s", name);
    file->modified_s = status.st_mtime > 0 ? (uint64_t)status.st_mtime : 0;
    r = file_read(path, OPENMETRICS_FILE_SIZE_MAX, &bytes, &size, f);
    if (r == 0)
        r = openmetrics_take((const char *)bytes, size, &page.names, &page.taken, f);
    file->refused = r < 0;
    return 0;
}

void gather_page(struct text *t)
{
    struct failure ignored = FAILURE_NONE; /* no folder, no files */

    page.facts = (struct metrics_facts){ .version = "" };
    page.names.count = 0;
    text_clear(&page.taken);
    gather_boot(&page.facts);
    gather_kernel(&page.facts);
    gather_filesystems(&page.facts);
    gather_services(&page.facts);
    if (file_list(GATHER_FOLDER, take_file, &page.facts, &ignored) < 0)
        page.facts.file_count = 0;
    metrics_add(&page.facts, t);
    text_add_bytes(t, text_string(&page.taken), page.taken.length);
    openmetrics_end(t);
}
