#include "work/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"

enum {
    STAMP_SIZE = 12,
    PATH_SIZE = 256,
    FLAG_FINISHING = 2,
    FLAG_WANT_UP = 4,
    FLAG_READY = 8,
    FLAGS_KNOWN = 15,
};

static void take_end(unsigned wait_status, struct supervise_status *status)
{
    int value = (int)wait_status;

    if (WIFSIGNALED(value)) {
        status->end = SNAPSHOT_END_SIGNAL;
        status->code = (uint64_t)WTERMSIG(value);
    } else {
        status->end = SNAPSHOT_END_EXIT;
        status->code = (uint64_t)WEXITSTATUS(value);
    }
}

int supervisor_status_parse(const void *bytes, size_t size, struct supervise_status *ret)
{
    struct cursor c = cursor_make(bytes, size);
    uint64_t seconds = cursor_be64(&c), pid;
    uint32_t nanoseconds = cursor_be32(&c), wait_status;
    uint8_t flags;

    cursor_skip(&c, STAMP_SIZE);
    pid = cursor_be64(&c);
    cursor_skip(&c, sizeof(uint64_t));
    wait_status = cursor_be16(&c);
    flags = cursor_u8(&c);
    if (size != SUPERVISOR_STATUS_SIZE || !cursor_finished(&c) || pid > INT_MAX ||
        flags > FLAGS_KNOWN)
        return -EBADMSG;
    /* The finish script is no process of the service. */
    if (flags & FLAG_FINISHING)
        pid = 0;
    *ret = (struct supervise_status){
        .pid = pid,
        .stamp = seconds << 32 | nanoseconds,
        .ready = pid != 0 && (flags & FLAG_READY), /* who is down for good is "ready" too */
        .want_up = (flags & FLAG_WANT_UP) != 0,
    };
    take_end(wait_status, ret);
    return 0;
}

int supervisor_status_read(const char *scan, const char *name, struct supervise_status *ret,
                           struct failure *f)
{
    uint8_t bytes[SUPERVISOR_STATUS_SIZE + 1];
    _cleanup_close_ int fd = -1;
    char path[PATH_SIZE];
    ssize_t got;

    (void)snprintf(path, sizeof(path), "%s/%s/supervise/status", scan, name); /* both are short */
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failure_set(f, CODE_IO, -errno, "cannot open '%s'", path);
    got = read(fd, bytes, sizeof(bytes));
    if (got < 0)
        return failure_set(f, CODE_IO, -errno, "cannot read '%s'", path);
    if (supervisor_status_parse(bytes, (size_t)got, ret) < 0)
        return failure_set(f, CODE_SUPERVISOR, -EBADMSG, "'%s' is no status of this s6", path);
    return 0;
}

int supervisor_tell(const char *scan, const char *name, char letter, struct failure *f)
{
    _cleanup_close_ int fd = -1;
    char path[PATH_SIZE];

    if (name)
        (void)snprintf(path, sizeof(path), "%s/%s/supervise/control", scan, name);
    else
        (void)snprintf(path, sizeof(path), "%s/.s6-svscan/control", scan);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failure_set(f, CODE_SUPERVISOR, -errno, "nobody listens at '%s'", path);
    if (write(fd, &letter, 1) != 1)
        return failure_set(f, CODE_SUPERVISOR, errno ? -errno : -EIO, "cannot write to '%s'", path);
    return 0;
}
