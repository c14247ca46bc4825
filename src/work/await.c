#include "work/await.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "sys/event.h"

enum { PATH_SIZE = 256, BUFFER_SIZE = 4096 };

/* Watches the folder: the file itself is another one after each change. */
static int watch_folder(const char *path, int *ret_fd, struct failure *f)
{
    _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    const char *slash = strrchr(path, '/');
    char folder[PATH_SIZE];

    CHECK(slash && (size_t)(slash - path) < sizeof(folder));
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    if (fd < 0 || inotify_add_watch(fd, folder, IN_MOVED_TO) < 0)
        return failure_set(f, CODE_SNAPSHOT, -errno, "cannot watch '%s'", folder);
    *ret_fd = take_fd(&fd);
    return 0;
}

static void drain(int fd)
{
    char buffer[BUFFER_SIZE];

    while (read(fd, buffer, sizeof(buffer)) > 0)
        ; /* what changed is looked at anew anyway */
}

static int wait_for_change(int fd, uint64_t deadline_ns)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    uint64_t now_ns = event_now_ns(), left_ms;

    if (now_ns >= deadline_ns)
        return -ETIMEDOUT;
    left_ms = (deadline_ns - now_ns) / NS_PER_MS + 1;
    if (poll(&poll_fd, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms) < 0 && errno != EINTR)
        return -errno;
    drain(fd);
    return 0;
}

int await_snapshot(const struct await *await, struct snapshot *ret, struct failure *f)
{
    uint64_t now_ns = event_now_ns(), deadline_ns;
    _cleanup_close_ int fd = -1;
    int r = watch_folder(await->path, &fd, f);

    if (!add_ok(now_ns, await->timeout_ns, &deadline_ns))
        deadline_ns = UINT64_MAX;
    while (r == 0) {
        r = snapshot_read(await->path, ret, f);
        if (r == 0 && await->holds(ret, await->context))
            return 0;
        if (r < 0 && r != -ENOENT)
            return r;
        r = wait_for_change(fd, deadline_ns);
        if (r < 0)
            (void)failure_set(f, CODE_SNAPSHOT, r, "what was waited for did not come");
    }
    return r;
}
