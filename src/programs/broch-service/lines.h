/* What several services said, as one list in the order of time. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { LINES_STAMP_LENGTH = 19 }; /* "2026-11-25 09:14:03": what a bound says */

struct line_said {
    size_t service;
    size_t number; /* in the order in which they were kept */
    char *text;
    size_t length;
};

struct lines {
    struct line_said *list;
    size_t count, capacity;
    size_t service;                                                /* of the lines that come now */
    char from[LINES_STAMP_LENGTH + 1], to[LINES_STAMP_LENGTH + 1]; /* "" for no bound */
    bool failed;                                                   /* out of memory */
};

void lines_done(struct lines *lines);
#define _cleanup_lines_ __attribute__((cleanup(lines_done)))

/* A tail_line: copies a line within the bounds. `context` is the struct lines. */
void lines_keep(const char *line, size_t length, void *context);

/* By time, then by service, then as they were kept. */
void lines_sort(struct lines *lines);
