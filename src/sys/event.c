#include "sys/event.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"

enum { EVENTS_PER_STEP = 32 };

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_PROCESS };

struct event_source {
    struct event_loop *loop;
    struct event_source *next;
    enum source_kind kind;
    int fd;          /* the caller's for SOURCE_FD, ours otherwise */
    int number;      /* of the signal or process */
    bool unblock;    /* the signal was not blocked before us */
    bool registered; /* epoll knows the descriptor */
    void *context;
    union {
        event_fd_handler on_fd;
        event_timer_handler on_timer;
        event_signal_handler on_signal;
        event_process_handler on_process;
    };
};

struct event_loop {
    int epoll_fd;
    struct event_source *sources;
    /* What the running step still has to look at; event_source_free() takes its source out. */
    struct epoll_event pending[EVENTS_PER_STEP];
    int pending_count;
};

uint64_t event_now_ns(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int event_loop_new(struct event_loop **ret_loop)
{
    struct event_loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return -ENOMEM;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        int r = -errno;

        free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

struct event_loop *event_loop_free(struct event_loop *loop)
{
    if (!loop)
        return NULL;
    while (loop->sources)
        event_source_free(loop->sources);
    (void)close(loop->epoll_fd);
    free(loop);
    return NULL;
}

static void unlink_source(struct event_source *source)
{
    for (struct event_source **place = &source->loop->sources; *place; place = &(*place)->next) {
        if (*place == source) {
            *place = source->next;
            return;
        }
    }
}

static void release_signal(const struct event_source *source)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, source->number);
    if (source->unblock)
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct event_source *event_source_free(struct event_source *source)
{
    if (!source)
        return NULL;
    for (int i = 0; i < source->loop->pending_count; i++) {
        if (source->loop->pending[i].data.ptr == source)
            source->loop->pending[i].data.ptr = NULL;
    }
    if (source->registered)
        (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    unlink_source(source);
    if (source->kind == SOURCE_SIGNAL && source->fd >= 0)
        release_signal(source);
    if (source->kind != SOURCE_FD && source->fd >= 0)
        (void)close(source->fd);
    free(source);
    return NULL;
}

/* Makes a source and puts it into the loop; `fd` may be a negative errno, which is returned. */
static int add_source(struct event_loop *loop, enum source_kind kind, int fd, uint32_t events,
                      struct event_source **ret_source)
{
    struct event_source *source;
    struct epoll_event event = { .events = events };

    if (fd < 0)
        return fd;
    source = calloc(1, sizeof(*source));
    if (source) {
        *source = (struct event_source){ .loop = loop, .kind = kind, .fd = fd };
        event.data.ptr = source;
    }
    if (!source || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int r = source ? -errno : -ENOMEM;

        free(source);
        if (kind != SOURCE_FD)
            (void)close(fd);
        return r;
    }
    source->registered = true;
    source->next = loop->sources;
    loop->sources = source;
    *ret_source = source;
    return 0;
}

int event_add_fd(struct event_loop *loop, int fd, uint32_t events, event_fd_handler handler,
                 void *context, struct event_source **ret_source)
{
    int r;

    CHECK(fd >= 0);
    r = add_source(loop, SOURCE_FD, fd, events, ret_source);
    if (r < 0)
        return r;
    (*ret_source)->on_fd = handler;
    (*ret_source)->context = context;
    return 0;
}

int event_fd_set(struct event_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    CHECK(source->kind == SOURCE_FD);
    return epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -errno : 0;
}

int event_timer_set(struct event_source *source, uint64_t deadline_ns)
{
    struct itimerspec when = { .it_value = { .tv_sec = 0 } };

    CHECK(source->kind == SOURCE_TIMER);
    if (deadline_ns == 0)
        deadline_ns = 1; /* zero would switch it off; this is as long past */
    if (deadline_ns != EVENT_NEVER) {
        when.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
        when.it_value.tv_nsec = (long)(deadline_ns % NS_PER_S);
    }
    return timerfd_settime(source->fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

int event_add_timer(struct event_loop *loop, uint64_t deadline_ns, event_timer_handler handler,
                    void *context, struct event_source **ret_source)
{
    struct event_source *source;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int r = add_source(loop, SOURCE_TIMER, fd < 0 ? -errno : fd, EPOLLIN, &source);

    if (r < 0)
        return r;
    source->on_timer = handler;
    source->context = context;
    r = event_timer_set(source, deadline_ns);
    if (r < 0) {
        event_source_free(source);
        return r;
    }
    *ret_source = source;
    return 0;
}

int event_add_signal(struct event_loop *loop, int signal, event_signal_handler handler,
                     void *context, struct event_source **ret_source)
{
    sigset_t set, former;
    int fd, r;

    (void)sigemptyset(&set);
    if (sigaddset(&set, signal) < 0)
        return -EINVAL;
    if (sigprocmask(SIG_BLOCK, &set, &former) < 0)
        return -errno;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    r = add_source(loop, SOURCE_SIGNAL, fd < 0 ? -errno : fd, EPOLLIN, ret_source);
    if (r < 0) {
        (void)sigprocmask(SIG_SETMASK, &former, NULL);
        return r;
    }
    (*ret_source)->number = signal;
    (*ret_source)->unblock = sigismember(&former, signal) == 0;
    (*ret_source)->on_signal = handler;
    (*ret_source)->context = context;
    return 0;
}

int event_add_process(struct event_loop *loop, pid_t pid, event_process_handler handler,
                      void *context, struct event_source **ret_source)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int r = add_source(loop, SOURCE_PROCESS, fd < 0 ? -errno : fd, EPOLLIN, ret_source);

    if (r < 0)
        return r;
    (*ret_source)->number = pid;
    (*ret_source)->on_process = handler;
    (*ret_source)->context = context;
    return 0;
}

static int run_timer(struct event_source *source)
{
    uint64_t expirations;

    /* It may have been set anew since epoll saw it. */
    if (read(source->fd, &expirations, sizeof(expirations)) != (ssize_t)sizeof(expirations))
        return 0;
    return source->on_timer(source, source->context);
}

static int run_signal(struct event_source *source)
{
    struct signalfd_siginfo info;

    if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    return source->on_signal(source, source->number, source->context);
}

static int run_process(struct event_source *source)
{
    int status = 0;
    pid_t ended = waitpid(source->number, &status, WNOHANG);

    if (ended == 0)
        return 0;
    if (ended < 0)
        return -errno;
    /* The descriptor stays readable for ever; once is enough. */
    (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->registered = false;
    return source->on_process(source, source->number, status, source->context);
}

static int run_source(struct event_source *source, uint32_t events)
{
    switch (source->kind) {
    case SOURCE_FD:
        return source->on_fd(source, source->fd, events, source->context);
    case SOURCE_TIMER:
        return run_timer(source);
    case SOURCE_SIGNAL:
        return run_signal(source);
    case SOURCE_PROCESS:
        return run_process(source);
    }
    return 0;
}

/* Milliseconds until the deadline, rounded up, so that it has passed when the wait ends. */
static int wait_ms(uint64_t deadline_ns)
{
    uint64_t now = event_now_ns(), ms;

    if (deadline_ns == EVENT_NEVER)
        return -1;
    if (deadline_ns <= now)
        return 0;
    ms = (deadline_ns - now - 1) / NS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int event_loop_step(struct event_loop *loop, uint64_t deadline_ns)
{
    int count, r = 0;

    CHECK(loop->pending_count == 0); /* a handler must not step its own loop */
    for (;;) {
        count = epoll_wait(loop->epoll_fd, loop->pending, EVENTS_PER_STEP, wait_ms(deadline_ns));
        if (count > 0)
            break;
        if (count < 0 && errno != EINTR)
            return -errno;
        if (count == 0 && event_now_ns() >= deadline_ns)
            return 0;
    }
    loop->pending_count = count;
    for (int i = 0; i < count && r >= 0; i++) {
        struct event_source *source = loop->pending[i].data.ptr;

        if (source)
            r = run_source(source, loop->pending[i].events);
    }
    loop->pending_count = 0;
    return r < 0 ? r : 1;
}
