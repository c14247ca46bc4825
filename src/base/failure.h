/* What went wrong, as one record: a code of the catalogue, the errno behind it, and a sentence that
 * names the object and the evidence. Functions of the domains fill one and return its negative
 * errno; the program's edge words it once (failure_print). */
#pragma once

#include <stdio.h>

#include "base/check.h"
#include "base/code.h"

enum { FAILURE_TEXT_MAX = 1024 };

struct failure {
    enum code code;
    int cause; /* negative errno, 0 when nothing failed */
    char text[FAILURE_TEXT_MAX];
};

#define FAILURE_NONE                                                                               \
    {                                                                                              \
        .cause = 0                                                                                 \
    }

/* Fills *f and returns `cause` (a negative errno; anything else becomes -EIO). The text should say
 * what failed on which object; strerror(cause) is not repeated in it. */
int failure_set(struct failure *f, enum code code, int cause, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Puts `format` and ": " in front of the text that is there: the context a caller knows. */
void failure_prefix(struct failure *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints "program: BR-CODE: text (cause)" and "  next: advice". Returns the exit code. */
enum exit_code failure_print(const struct failure *f, const char *program, FILE *stream);
