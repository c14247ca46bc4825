/* Starting programs: always by argument vector, never through a shell. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "sys/sandbox.h"

enum { SPAWN_ARGUMENTS_MAX = 256 };

/* An argument vector that borrows its strings. */
struct arguments {
    const char *list[SPAWN_ARGUMENTS_MAX + 1];
    size_t count;
};

/* Appends; more than SPAWN_ARGUMENTS_MAX is a bug of ours. */
void arguments_add(struct arguments *a, const char *argument);
#define ARGUMENTS(...)                                                                             \
    (struct arguments)                                                                             \
    {                                                                                              \
        .list = { __VA_ARGS__ },                                                                   \
        .count = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *)                    \
    }

struct spawn {
    const struct arguments *arguments; /* [0] is searched in PATH when it has no slash */
    const char *const *environment; /* "NAME=value"..., NULL at the end, added to the fixed one */
    const struct sandbox *sandbox;  /* NULL: run on the host with the host's environment */
    const char *folder;             /* working folder (inside the sandbox), or NULL */
    bool any_status;                /* a non-zero status is no failure (run, capture) */
    bool own_group; /* leads a process group, so that all of it can be killed (-pid) */
    int input_fd;   /* -1: /dev/null */
    int output_fd;  /* -1: as ours */
    int error_fd;   /* -1: as ours */
};

/* Starts every initializer of struct spawn: no descriptor given. */
#define SPAWN_FDS_NONE .input_fd = -1, .output_fd = -1, .error_fd = -1

/* Starts the program; it gets SIGKILL when the calling thread ends. *ret_pid is to be waited for
 * with spawn_wait(). Inside a sandbox the environment is fixed (PATH, HOME, LANG=C.UTF-8, TZ=UTC)
 * and umask is 022. Failure to exec is reported here: CODE_TOOL_MISSING for ENOENT, else
 * CODE_INTERNAL. */
MUST_USE int spawn_start(const struct spawn *spawn, pid_t *ret_pid, struct failure *f);

/* Waits; returns the exit status 0..255, or 128 + signal. */
int spawn_wait(pid_t pid);

/* Starts, waits, and turns a non-zero status into CODE_STEP_FAILED naming the program. */
MUST_USE int spawn_run(const struct spawn *spawn, struct failure *f);

/* Like spawn_run(), with standard output caught: at most `limit` bytes, zero-terminated, freed by
 * the caller. */
MUST_USE int spawn_capture(const struct spawn *spawn, size_t limit, char **ret_output,
                           size_t *ret_size, struct failure *f);
