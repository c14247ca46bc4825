/* The guest's console as lines of text. Pure: bytes as they were read go in, in any pieces; lines
 * come out in order, each once.
 *
 * Terminal control sequences are left out and a cursor position starts a new line, so that firmware
 * screens read like a log; "\r\n" and a lone "\r" are one newline. The whole text is kept, up to
 * SCANNER_TEXT_MAX; beyond it the oldest half is dropped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { SCANNER_TEXT_MAX = 16 << 20 };

enum scanner_state {
    SCANNER_PLAIN,
    SCANNER_ESCAPE,     /* after ESC */
    SCANNER_CSI,        /* after ESC [ */
    SCANNER_OSC,        /* after ESC ], until BEL or ESC \ */
    SCANNER_OSC_ESCAPE, /* ESC inside of one */
    SCANNER_CHARSET,    /* after ESC ( or ) */
};

struct scanner {
    struct text text; /* clean; ends in '\n' when the last line is complete */
    struct text line; /* the line that was returned last */
    size_t position;  /* what lies before it was consumed */
    enum scanner_state state;
    bool return_pending; /* a '\r' whose meaning the next byte decides */
};

#define SCANNER_INIT                                                                               \
    {                                                                                              \
        .position = 0                                                                              \
    }

void scanner_done(struct scanner *s);

/* Forgets everything, for a new start of the machine. */
void scanner_clear(struct scanner *s);

void scanner_feed(struct scanner *s, const uint8_t *bytes, size_t size);

/* The console ended: an incomplete last line becomes complete. */
void scanner_end(struct scanner *s);

/* Consumes the next complete line; *ret_line (without newline) is valid until the next call. */
MUST_USE bool scanner_next(struct scanner *s, const char **ret_line);

/* Consumes complete lines up to and including the first that holds one of texts[0..count); the
 * lowest index wins within a line. False: none yet, and all complete lines were consumed. */
MUST_USE bool scanner_find(struct scanner *s, const char *const *texts, size_t count,
                           size_t *ret_index, const char **ret_line);

/* Consumes up to and including the first place, line ends or not, where `text` stands. False: not
 * there yet, and nothing was consumed. */
MUST_USE bool scanner_find_prompt(struct scanner *s, const char *text);

/* The whole text, valid until the next call. */
const char *scanner_text(const struct scanner *s);

/* The start of the last `count` lines of the text, for messages. */
const char *scanner_tail(const struct scanner *s, size_t count);

/* -ENOMEM when something had to be dropped for want of memory, else 0. */
MUST_USE int scanner_status(const struct scanner *s);
