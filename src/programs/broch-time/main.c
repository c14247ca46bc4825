/* Runs chronyd with a configuration made from the machine's, and tells it when a network names
 * other time servers. Ends with it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/options.h"
#include "node/chrony.h"
#include "node/network.h"
#include "sys/event.h"
#include "sys/file.h"
#include "sys/spawn.h"

static const char program[] = "broch-time";

struct keeper {
    const char *scratch;
    pid_t chronyd;
    bool ended;
    int status; /* of waitpid(), when it ended */
};

static void complain(const struct failure *f, void *context)
{
    (void)context;
    (void)failure_print(f, program, stderr);
}

/* --- Before --- */

static int write_configuration(const struct keeper *keeper, const char *path, struct failure *f)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct config config = { .hostname = NULL };
    int r = config_load(complain, NULL, &config, f);

    if (r < 0)
        return r;
    chrony_render(&config.time, keeper->scratch, NETWORK_FOLDER, &t);
    config_done(&config);
    if (text_status(&t) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return file_write(path, text_string(&t), t.length, 0600, f);
}

/* -d: in the foreground, to standard error. -U: we are not root; the one capability that it needs
 * was passed on. */
static int start(struct keeper *keeper, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/chrony.conf", keeper->scratch);
    const struct arguments arguments = ARGUMENTS(CHRONY_DAEMON, "-d", "-U", "-f", path);
    const struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    int r = path ? write_configuration(keeper, path, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    return r < 0 ? r : spawn_start(&spawn, &keeper->chronyd, f);
}

/* --- Meanwhile --- */

static void reload_sources(const struct keeper *keeper)
{
    _cleanup_free_ char *socket = text_make("%s/" CHRONY_SOCKET_NAME, keeper->scratch);
    const struct arguments arguments = ARGUMENTS(CHRONY_CLIENT, "-h", socket, "reload", "sources");
    const struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    struct failure f = FAILURE_NONE;

    /* It reads them at its start, too: one that does not answer yet misses nothing. */
    if (socket && access(socket, F_OK) == 0 && spawn_run(&spawn, &f) < 0)
        complain(&f, NULL);
}

static int on_sources(struct event_source *source, int fd, uint32_t events, void *context)
{
    char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    const struct inotify_event *event;
    ssize_t size = read(fd, bytes, sizeof(bytes));
    bool changed = false;

    (void)source;
    (void)events;
    for (ssize_t at = 0; at < size; at += (ssize_t)sizeof(*event) + (ssize_t)event->len) {
        event = (const void *)(bytes + at);
        changed = changed || (event->len > 0 && strcmp(event->name, NETWORK_SOURCES_NAME) == 0);
    }
    if (changed)
        reload_sources(context);
    return 0;
}

static int on_signal(struct event_source *source, int signal, void *context)
{
    const struct keeper *keeper = context;

    (void)source;
    (void)kill(keeper->chronyd, signal); /* the handler of its end says when */
    return 0;
}

static int on_end(struct event_source *source, pid_t pid, int status, void *context)
{
    struct keeper *keeper = context;

    (void)source;
    (void)pid;
    keeper->ended = true;
    keeper->status = status;
    return 0;
}

static int watch(struct keeper *keeper, struct event_loop *loop, int inotify_fd)
{
    struct event_source *source;
    int r = event_add_process(loop, keeper->chronyd, on_end, keeper, &source);

    if (r == 0)
        r = event_add_signal(loop, SIGTERM, on_signal, keeper, &source);
    if (r == 0 && inotify_add_watch(inotify_fd, NETWORK_FOLDER, IN_MOVED_TO) >= 0)
        r = event_add_fd(loop, inotify_fd, EPOLLIN, on_sources, keeper, &source);
    while (r >= 0 && !keeper->ended)
        r = event_loop_step(loop, EVENT_NEVER);
    return r < 0 ? r : 0;
}

static int keep(struct keeper *keeper, struct failure *f)
{
    _cleanup_close_ int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct event_loop *loop = NULL;
    int r = start(keeper, f);

    if (r < 0)
        return r;
    r = inotify_fd < 0 ? -errno : event_loop_new(&loop);
    if (r == 0)
        r = watch(keeper, loop, inotify_fd);
    event_loop_free(loop);
    if (r < 0) /* the child ends with us */
        return failure_set(f, CODE_TIME, r, "cannot watch over chronyd");
    if (!WIFEXITED(keeper->status) || WEXITSTATUS(keeper->status) != 0)
        return failure_set(f, CODE_TIME, -EIO, "chronyd ended by itself");
    return 0;
}

int main(int argc, char **argv)
{
    const struct options options = {
        .program = program,
        .synopsis = "",
        .purpose = "Keeps the clock: runs chronyd as the machine's configuration says.",
    };
    struct keeper keeper = { .scratch = getenv("SCRATCH") };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0 && !keeper.scratch)
        r = failure_set(&f, CODE_USAGE, -EINVAL, "SCRATCH names no folder");
    if (r == 0)
        r = keep(&keeper, &f);
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
