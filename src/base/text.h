/* A growing, zero-terminated string for tools and daemons. Stage 1 and protocol cores use struct
 * line (line.h), which never allocates.
 *
 * Running out of memory is remembered in `failed` and makes later calls do nothing, so that a long
 * sequence of appends needs one look at the end: text_status(). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct text {
    char *data; /* NULL or zero-terminated */
    size_t length;
    size_t capacity;
    bool failed;
};

#define TEXT_INIT                                                                                  \
    {                                                                                              \
        .data = NULL                                                                               \
    }

/* Frees the contents; the object may be used again. */
void text_done(struct text *t);
#define _cleanup_text_ __attribute__((cleanup(text_done)))

void text_clear(struct text *t);
void text_add(struct text *t, const char *string);
void text_add_bytes(struct text *t, const void *bytes, size_t size);
void text_addf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_addv(struct text *t, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* The string, never NULL; valid until the next call on `t`. */
const char *text_string(const struct text *t);

/* 0, or -ENOMEM when any append failed. */
MUST_USE int text_status(const struct text *t);

/* Hands the string to the caller, who frees it; NULL when an append failed. `t` is empty after. */
MUST_USE char *text_take(struct text *t);

/* A new string from a format; the caller frees it. NULL when out of memory. */
MUST_USE char *text_make(const char *format, ...) PRINTF_LIKE(1, 2);
