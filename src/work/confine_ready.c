#include "work/confine_part.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "work/confine.h"

/* One write; a supervisor that is gone is no reason for a service to fail. */
static void say_ready(void)
{
    while (write(CONFINE_NOTIFY_FD, "\n", 1) < 0 && errno == EINTR)
        ;
    (void)close(CONFINE_NOTIFY_FD); /* the word is said */
}

/* Watches the deepest folder of `path` that exists: the next component appears there. */
static int watch_nearest(int inotify_fd, const char *path)
{
    char folder[PATH_MAX];
    size_t length = strlen(path);

    if (length >= sizeof(folder))
        return -ENAMETOOLONG;
    memcpy(folder, path, length + 1);
    for (;;) {
        char *slash = strrchr(folder, '/');

        if (!slash)
            return -EINVAL;
        slash[slash == folder ? 1 : 0] = '\0';
        if (inotify_add_watch(inotify_fd, folder,
                              IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR) >= 0)
            return 0;
        if (errno != ENOENT || slash == folder)
            return -errno;
    }
}

/* Waits for an event or for the end of the service. False when there is nothing to wait for any
 * more. */
static bool wait_for_event(int inotify_fd, int service_fd)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct pollfd fds[] = {
        { .fd = inotify_fd, .events = POLLIN },
        { .fd = service_fd, .events = POLLIN },
    };

    while (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
        if (errno != EINTR)
            return false;
    }
    return fds[1].revents == 0 && read(inotify_fd, events, sizeof(events)) > 0;
}

/* A fresh watch each time: which folder is the nearest one changes as folders appear. The watch is
 * set before the look, so that nothing appears unseen in between. */
static bool wait_for_file(const char *path, int service_fd)
{
    for (;;) {
        _cleanup_close_ int inotify_fd = inotify_init1(IN_CLOEXEC);

        if (inotify_fd < 0 || watch_nearest(inotify_fd, path) < 0)
            return false;
        if (access(path, F_OK) == 0)
            return true;
        if (!wait_for_event(inotify_fd, service_fd))
            return false;
    }
}

__attribute__((noreturn)) static void be_waiter(const char *path, int service_fd)
{
    static const int kept[] = { CONFINE_NOTIFY_FD };
    const unsigned service = (unsigned)service_fd;

    /* The log's pipe above all: a reader must see the end of it when the service is gone. */
    for (unsigned fd = 0; fd < service; fd++) {
        if (fd != (unsigned)kept[0])
            (void)close((int)fd);
    }
    (void)close_range(service + 1, ~0u, 0);
    if (wait_for_file(path, service_fd))
        say_ready();
    _exit(EXIT_SUCCESS);
}

/* The waiter is started twice removed, so that the service never gets to know a child that it did
 * not start; PID 1 reaps it. It sees the machine's files and stays outside of the service's control
 * group and limits. */
static int start_waiter(const char *path)
{
    _cleanup_close_ int service_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int status;
    pid_t child;

    if (service_fd <= CONFINE_NOTIFY_FD)
        return service_fd < 0 ? -errno : -EBADF;
    child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        pid_t waiter = fork();

        if (waiter == 0)
            be_waiter(path, service_fd);
        _exit(waiter < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? 0 : -EAGAIN;
}

/* A file of the last start would say "ready" before the program has done anything. */
int confine_prepare_ready(struct confine *c, struct failure *f)
{
    const struct service_manifest *m = c->manifest;
    int r;

    if (m->kind == WORK_KIND_ONCE || m->ready.kind != WORK_READY_FILE)
        return 0;
    if (fcntl(CONFINE_NOTIFY_FD, F_GETFD) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "there is no descriptor %d for readiness",
                           CONFINE_NOTIFY_FD);
    if (unlink(m->ready.path) < 0 && errno != ENOENT && errno != ENOTDIR)
        return failure_set(f, CODE_CONFINE, -errno, "cannot remove the old '%s'", m->ready.path);
    r = start_waiter(m->ready.path);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot watch for '%s'", m->ready.path) : 0;
}

/* Leaves the descriptor to a program that says so itself, and to nobody else. */
int confine_finish_ready(struct confine *c, struct failure *f)
{
    const struct service_manifest *m = c->manifest;

    (void)f; /* every part has the same form */
    if (m->kind != WORK_KIND_ONCE && m->ready.kind == WORK_READY_NOTIFY)
        return 0;
    if (m->kind != WORK_KIND_ONCE && m->ready.kind == WORK_READY_START)
        say_ready();
    else
        (void)close(CONFINE_NOTIFY_FD); /* may be closed already */
    return 0;
}
