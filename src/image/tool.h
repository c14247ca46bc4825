/* Runs one program of the tools tree for a build step: no network, fixed environment with
 * SOURCE_DATE_EPOCH, output into a log that failures name. */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "image/tree.h"
#include "sys/sandbox.h"
#include "sys/spawn.h"

struct tool {
    const char *step;   /* names the log */
    uint64_t date;      /* SOURCE_DATE_EPOCH */
    const char *folder; /* working folder inside, or NULL */
    int input_fd;       /* -1: none */
    struct sandbox sandbox;
};

/* A tool of this tree without binds; add them to .sandbox.binds. */
struct tool tool_make(const struct tree *tree, const char *step, uint64_t date);

/* Adds a bind; `target` NULL means the same path. */
void tool_bind(struct tool *tool, const char *source, const char *target, bool read_only);

/* Runs to the end. CODE_STEP_FAILED names the log and quotes its last line. */
MUST_USE int tool_run(const struct tool *tool, const struct arguments *arguments,
                      struct failure *f);

/* The same with standard output caught (at most `limit` bytes; freed by the caller). */
MUST_USE int tool_capture(const struct tool *tool, const struct arguments *arguments, size_t limit,
                          char **ret_output, size_t *ret_size, struct failure *f);
