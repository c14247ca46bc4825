#include "programs/broch-verdict/checks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"

static const char *const folders[] = { "/usr/lib/broch/checks", "/var/lib/broch/checks" };

static uint64_t now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return UINT64_MAX; /* cannot happen; then everything is late */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* True when it ended by itself before the deadline. */
static bool wait_until(pid_t pid, uint64_t deadline_ns)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint64_t now = now_ns();
    int ms = now >= deadline_ns ? 0 : (int)((deadline_ns - now) / (NS_PER_S / 1000)) + 1;

    return fd >= 0 && poll(&wait, 1, ms) == 1;
}

static int run_one(const char *folder, const char *name, void *context, struct failure *f)
{
    const uint64_t *deadline_ns = context;
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    const struct arguments arguments = ARGUMENTS(path ? path : "");
    const struct spawn spawn = { .arguments = &arguments, .own_group = true, SPAWN_FDS_NONE };
    bool in_time;
    int status, r;
    pid_t pid;

    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = spawn_start(&spawn, &pid, f);
    if (r < 0)
        return failure_set(f, CODE_UPDATE_CHECK, r, "check '%s' cannot be run", name);
    in_time = wait_until(pid, *deadline_ns);
    if (!in_time)
        (void)kill(-pid, SIGKILL); /* and what it started; it is waited for below */
    status = spawn_wait(pid);
    if (!in_time)
        return failure_set(f, CODE_UPDATE_CHECK, -ETIMEDOUT, "check '%s' did not end in time",
                           name);
    return status == 0 ? 0
                       : failure_set(f, CODE_UPDATE_CHECK, -EPROTO, "check '%s' ended with %d",
                                     name, status);
}

int checks_run(uint64_t deadline_ns, struct failure *f)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
        if (file_exists(folders[i]))
            r = file_list(folders[i], run_one, &deadline_ns, f);
    }
    return r;
}
