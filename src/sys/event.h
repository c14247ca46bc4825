/* The one event loop: epoll over descriptors, timers, signals and processes. Programs are single
 * threads that react; a handler runs to its end and never blocks for long.
 *
 * A source belongs to its loop until event_source_free(); freeing it inside any handler, its own
 * included, is fine, and no handler of a freed source runs afterwards. Freeing the loop frees what
 * is left. Handlers return 0, or a negative errno that event_loop_step() hands to its caller. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "base/check.h"

struct event_loop;
struct event_source;

/* For a deadline or a timer: never. */
#define EVENT_NEVER UINT64_MAX

/* The monotonic clock. Only loops and waits read it; everybody else is handed a time. */
uint64_t event_now_ns(void);

/* *ret_loop is freed by event_loop_free(). Returns 0 or a negative errno, like all below. */
MUST_USE int event_loop_new(struct event_loop **ret_loop);

/* Accepts NULL; returns NULL. */
struct event_loop *event_loop_free(struct event_loop *loop);

/* Waits until something happens or `deadline_ns` passes and runs the handlers of what happened.
 * Returns 1 when at least one handler ran, 0 when the deadline passed, or the first error. A signal
 * that no source caught does not end the wait. */
MUST_USE int event_loop_step(struct event_loop *loop, uint64_t deadline_ns);

/* `events` are EPOLL* bits; the descriptor stays the caller's, who frees the source before closing
 * it. */
typedef int (*event_fd_handler)(struct event_source *source, int fd, uint32_t events,
                                void *context);
MUST_USE int event_add_fd(struct event_loop *loop, int fd, uint32_t events,
                          event_fd_handler handler, void *context,
                          struct event_source **ret_source);

/* Changes what a descriptor's source waits for; 0 pauses it (errors and hang-ups still come). */
MUST_USE int event_fd_set(struct event_source *source, uint32_t events);

/* A timer that runs once, at `deadline_ns`, and is then off until it is set again. */
typedef int (*event_timer_handler)(struct event_source *source, void *context);
MUST_USE int event_add_timer(struct event_loop *loop, uint64_t deadline_ns,
                             event_timer_handler handler, void *context,
                             struct event_source **ret_source);
MUST_USE int event_timer_set(struct event_source *source, uint64_t deadline_ns);

/* A signal; it is blocked for this thread while the source lives, and unblocked after unless it was
 * blocked before. One source per signal and process. */
typedef int (*event_signal_handler)(struct event_source *source, int signal, void *context);
MUST_USE int event_add_signal(struct event_loop *loop, int signal, event_signal_handler handler,
                              void *context, struct event_source **ret_source);

/* The end of a child. The handler runs once and gets the status of waitpid(), which has been called
 * for it: the process is reaped. Until then the child is the caller's to kill. */
typedef int (*event_process_handler)(struct event_source *source, pid_t pid, int status,
                                     void *context);
MUST_USE int event_add_process(struct event_loop *loop, pid_t pid, event_process_handler handler,
                               void *context, struct event_source **ret_source);

/* Accepts NULL; returns NULL. */
struct event_source *event_source_free(struct event_source *source);
