/* Text built in a caller-owned, fixed buffer: markers, facts and messages of stage 1 and of PID 1.
 * Never allocates. What does not fit is cut, `cut` says so, and the buffer is always terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct line {
    char *buffer;
    size_t capacity; /* including the terminating zero */
    size_t length;
    bool cut;
};

/* Starts an empty text in `buffer`, which must hold at least one byte. */
struct line line_make(char *buffer, size_t capacity);

void line_add(struct line *l, const char *string);
void line_add_bytes(struct line *l, const void *bytes, size_t size);
void line_addf(struct line *l, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds `key=value` in logfmt, with a space before it when the text is not empty. The value is
 * quoted when it is empty or holds anything but letters, digits and -._:/@+,; inside quotes `"` and
 * `\` are escaped by `\`, newline is `\n`, and other control or non-ASCII bytes become `?`. */
void line_add_pair(struct line *l, const char *key, const char *value);
void line_add_number(struct line *l, const char *key, uint64_t value);

/* Adds a JSON string with its quotes. Bytes that are not printable ASCII are written as \u00XX, so
 * that the result is valid JSON whatever the input. */
void line_add_json_string(struct line *l, const char *value);
