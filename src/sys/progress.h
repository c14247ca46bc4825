/* What a person and a program see of long work: one line on a terminal that is rewritten, plain
 * lines in a pipe, and JSON lines on a descriptor of the caller's choice
 * (docs/reference/progress.md):
 *
 *     {"event":"step","step":"rootfs","status":"start|done|cached|failed","ms":N}
 *     {"event":"bytes","step":"packages","done":N,"total":N} */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    int json_fd;      /* -1: none */
    bool terminal;    /* rewrite one line */
    bool quiet;       /* no human text at all */
    bool open_line;   /* a rewritten line stands on the terminal */
    const char *step; /* the running step, borrowed */
    uint64_t started_ns;
    uint64_t shown_ns;
};

/* `json_fd` or -1. Human text goes to standard error. */
void progress_start(struct progress *p, int json_fd, bool quiet);

void progress_step(struct progress *p, const char *step);
/* Ends the step. `status` is one of done, cached, failed. */
void progress_end(struct progress *p, const char *status);

/* Bytes of the running step; cheap enough to be called for every chunk. */
void progress_bytes(struct progress *p, uint64_t done, uint64_t total);

/* A remark that stays on the screen. */
void progress_note(struct progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
