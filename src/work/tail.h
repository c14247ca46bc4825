/* The end of a file that grows: of a log, of the list of events. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

enum { TAIL_BYTES_MAX = 256 * 1024 };

/* Called for each line without its newline; what is no text in it is the caller's to clean. */
typedef void (*tail_line)(const char *line, size_t length, void *context);

/* The last `count` lines of the file, oldest first, within the last TAIL_BYTES_MAX bytes. A last
 * line that has no newline yet is a line. Returns how many there were, or a negative errno (-ENOENT
 * when there is no file, *f set). */
MUST_USE int tail_read(const char *path, size_t count, tail_line each, void *context,
                       struct failure *f);
