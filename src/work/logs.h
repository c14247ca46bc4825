/* The logs of services, as s6-log keeps them: LOGS_FOLDER/SERVICE holds `current` and up to four
 * older files whose names (@ and a time stamp) sort by age. Each line begins with the time at which
 * it was said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "work/tail.h"

#define LOGS_FOLDER "/var/log/broch"

enum { LOGS_FILES_MAX = 64, LOGS_NAME_SIZE = 64 };

/* The last `count` lines of a service, oldest first, over its files. Returns how many there were,
 * or a negative errno: -ENOENT when the service has no log. */
MUST_USE int logs_read(const char *folder, const char *service, size_t count, tail_line each,
                       void *context, struct failure *f);

/* The length of "2026-11-25 09:14:03.123456789  " at the start of a line, 0 when there is none. */
size_t logs_stamp_length(const char *line, size_t length);

/* The last line without its time, cleaned and cut; "" when there is none or it may not be read. */
void logs_last(const char *folder, const char *service, char *ret, size_t size);
