#include "work/confine_part.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "sys/attribute.h"
#include "work/confine.h"

enum {
    CPU_PERIOD_US = 100000,   /* the kernel's default */
    LEFTOVERS_WAIT_MS = 2000, /* what was killed ends as soon as its last system call lets it */
    EVENTS_SIZE = 256,
    CORE_SIZE_MAX = 64 * 1024 * 1024,
    FILES_DEFAULT = 1024,
};

/* The kernel kills by size and this score. The supervisor is at -1000: never. */
static const int oom_scores[] = {
    [WORK_OOM_FIRST] = 500,
    [WORK_OOM_NORMAL] = 0,
    [WORK_OOM_LAST] = -500,
};

static int write_attribute(int folder_fd, const char *name, const char *text)
{
    _cleanup_close_ int fd = openat(folder_fd, name, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        return -errno;
    return 0;
}

static void cgroup_path(const struct confine *c, char ret[static CONFINE_PATH_SIZE])
{
    (void)snprintf(ret, CONFINE_PATH_SIZE, "%s/%s", CONFINE_CGROUP_FOLDER, c->manifest->name);
}

static bool is_populated(int folder_fd)
{
    char events[EVENTS_SIZE];

    return attribute_read(folder_fd, "cgroup.events", events, sizeof(events)) > 0 &&
           strstr(events, "populated 1") != NULL;
}

static int wait_until_empty(int folder_fd)
{
    struct pollfd poll_events = { .events = POLLPRI };
    _cleanup_close_ int fd = openat(folder_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    char events[EVENTS_SIZE];

    if (fd < 0)
        return -errno;
    poll_events.fd = fd;
    while (is_populated(folder_fd)) {
        int r = poll(&poll_events, 1, LEFTOVERS_WAIT_MS);

        if (r == 0)
            return -EBUSY;
        if (r < 0 && errno != EINTR)
            return -errno;
        if (pread(fd, events, sizeof(events), 0) < 0) /* takes the event away */
            return -errno;
    }
    return 0;
}

/* A supervisor kills one process; what that one started may live on, with its sockets and files
 * open, and would be there twice after this start. Sessions of people (level system: consoles, ssh)
 * are not leftovers: they outlive the daemon that let them in. */
int confine_end_leftovers(struct confine *c, struct failure *f)
{
    char path[CONFINE_PATH_SIZE];
    _cleanup_close_ int fd = -1;
    int r = 0;

    cgroup_path(c, path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot open '%s'", path);
    if (is_populated(fd))
        r = write_attribute(fd, "cgroup.kill", "1");
    if (r == 0)
        r = wait_until_empty(fd);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "processes of the last start stay in '%s'", path)
                 : 0;
}

struct limit {
    const char *file;
    char text[48];
};

/* 0 in the manifest is no limit, in a control group that may have had one. */
static void word_limit(struct limit *limit, const char *file, uint64_t value)
{
    limit->file = file;
    if (value == 0)
        (void)snprintf(limit->text, sizeof(limit->text), "max");
    else
        (void)snprintf(limit->text, sizeof(limit->text), "%llu", (unsigned long long)value);
}

static void word_processors(struct limit *limit, uint32_t thousandths)
{
    word_limit(limit, "cpu.max", (uint64_t)thousandths * (CPU_PERIOD_US / 1000));
    (void)snprintf(limit->text + strlen(limit->text), 16, " %d", CPU_PERIOD_US);
}

static int write_limits(const struct service_manifest *m, int folder_fd, const char *path,
                        struct failure *f)
{
    struct limit limits[] = {
        /* All of the service ends, or half of it would go on in an unknown state. */
        { "memory.oom.group", "1" },
        { "memory.max", "" },
        { "pids.max", "" },
        { "cpu.max", "" },
    };

    word_limit(&limits[1], "memory.max", m->limits.memory);
    word_limit(&limits[2], "pids.max", (uint64_t)m->limits.tasks);
    word_processors(&limits[3], m->cpus_thousandths);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        int r = write_attribute(folder_fd, limits[i].file, limits[i].text);

        if (r < 0)
            return failure_set(f, CODE_CONFINE, r, "cannot write '%s' to '%s/%s'", limits[i].text,
                               path, limits[i].file);
    }
    return 0;
}

int confine_join_cgroup(struct confine *c, struct failure *f)
{
    char path[CONFINE_PATH_SIZE];
    _cleanup_close_ int fd = -1;
    int r;

    cgroup_path(c, path);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return failure_set(f, CODE_CONFINE, -errno, "cannot make the control group '%s'", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot open '%s'", path);
    r = write_limits(c->manifest, fd, path, f);
    if (r < 0)
        return r;
    r = write_attribute(fd, "cgroup.procs", "0"); /* 0: the process that writes */
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot join the control group '%s'", path) : 0;
}

int confine_set_limits(struct confine *c, struct failure *f)
{
    const int64_t files = c->manifest->limits.files;
    const struct rlimit descriptors = {
        .rlim_cur = files > 0 ? (rlim_t)files : FILES_DEFAULT,
        .rlim_max = files > 0 ? (rlim_t)files : FILES_DEFAULT,
    };
    const struct rlimit core = { .rlim_cur = CORE_SIZE_MAX, .rlim_max = CORE_SIZE_MAX };
    char score[16];
    int r;

    if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot limit descriptors and core dumps");
    (void)snprintf(score, sizeof(score), "%d", oom_scores[c->manifest->limits.oom]);
    r = write_attribute(AT_FDCWD, "/proc/self/oom_score_adj", score);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot set the score for out of memory") : 0;
}
