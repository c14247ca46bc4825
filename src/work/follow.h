/* New lines of files that others append to and replace by rename: logs, the list of events. Waits
 * by inotify, never by time. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

struct follow;

enum { FOLLOW_FILES_MAX = 64, FOLLOW_LINE_SIZE_MAX = 16384 };

/* `file` is the number that follow_add() gave. The line has no newline; one that is longer than
 * FOLLOW_LINE_SIZE_MAX comes in pieces. */
typedef void (*follow_line)(size_t file, const char *line, size_t length, void *context);

MUST_USE int follow_new(struct follow **ret, struct failure *f);
/* Accepts NULL; returns NULL. */
struct follow *follow_free(struct follow *follow);

/* Follows a file from its present end. It need not be there yet, but its folder has to. */
MUST_USE int follow_add(struct follow *follow, const char *path, size_t *ret_file,
                        struct failure *f);

/* Blocks until something changed, and hands over the lines that came. Returns 1, 0 after
 * `timeout_ms` (-1: never) without a change, or a negative errno. */
MUST_USE int follow_step(struct follow *follow, int timeout_ms, follow_line each, void *context,
                         struct failure *f);
