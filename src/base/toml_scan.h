/* What stands between the bytes of a TOML document and its grammar: lines, blanks, comments,
 * strings, keys and messages. Private to toml*.c. */
#pragma once

#include "base/cursor.h"
#include "base/text.h"
#include "base/toml_tree.h"

enum { TOML_SHOWN_MAX = 64 };

struct toml_scan {
    struct cursor cursor;
    unsigned line;
    struct toml *document;
    struct failure *failure;
    struct text scratch;        /* the string being read */
    char shown[TOML_SHOWN_MAX]; /* input as it may appear in a message */
};

struct toml_path {
    struct toml_text parts[TOML_DEPTH_MAX];
    size_t count;
};

/* Words the failure as "NAME:LINE: ..." and returns `cause`. */
int toml_scan_fail(struct toml_scan *s, int cause, const char *format, ...) PRINTF_LIKE(3, 4);

/* The failure behind a negative result of toml_tree_*: too many values or out of memory. */
int toml_scan_fail_tree(struct toml_scan *s, int cause);

/* Printable forms for a message: what comes next in the document, or some text of the input. Valid
 * until the next call of either. */
const char *toml_scan_next(struct toml_scan *s);
const char *toml_scan_shown(struct toml_scan *s, struct toml_text text);

/* Looks at the byte `ahead` of the next one; -1 beyond the end. */
int toml_scan_peek(const struct toml_scan *s, size_t ahead);

/* Consumes the next byte if it is `wanted`. */
bool toml_scan_accept(struct toml_scan *s, char wanted);

/* Checks that the whole document is UTF-8 (RFC 3629). */
MUST_USE int toml_scan_check_utf8(struct toml_scan *s);

/* Consumes spaces and tabs. */
void toml_scan_blanks(struct toml_scan *s);

/* Consumes blanks, newlines and comments. Returns 0 or a failure. */
MUST_USE int toml_scan_gap(struct toml_scan *s);

/* Consumes the rest of a line that must hold nothing but blanks and a comment. */
MUST_USE int toml_scan_line_end(struct toml_scan *s);

/* Reads one of the four kinds of strings; the next byte is a quote. */
MUST_USE int toml_scan_string(struct toml_scan *s, struct toml_text *ret);

/* Reads a bare, quoted or dotted key. */
MUST_USE int toml_scan_key(struct toml_scan *s, struct toml_path *ret);

/* Reads what may be a number, a date or a word; empty when none begins here. Borrowed from the
 * document's bytes. */
struct toml_text toml_scan_token(struct toml_scan *s);
