#include "base/toml_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/line.h"

int toml_scan_fail(struct toml_scan *s, int cause, const char *format, ...)
{
    char what[FAILURE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments); /* a cut message is still one */
    va_end(arguments);
    return failure_set(s->failure, cause == -ENOMEM ? CODE_INTERNAL : CODE_SYNTAX, cause,
                       "%s:%u: %s", s->document->name, s->line, what);
}

int toml_scan_fail_tree(struct toml_scan *s, int cause)
{
    if (cause == -ERANGE)
        return toml_scan_fail(s, cause, "more than %d values", TOML_VALUES_MAX);
    return toml_scan_fail(s, cause, "out of memory");
}

const char *toml_scan_next(struct toml_scan *s)
{
    struct line l = line_make(s->shown, sizeof(s->shown));
    int next = toml_scan_peek(s, 0);

    if (next < 0)
        line_add(&l, "the end of the file");
    else if (next == '\n' || (next == '\r' && toml_scan_peek(s, 1) == '\n'))
        line_add(&l, "the end of the line");
    else if (next > ' ' && next <= '~')
        line_addf(&l, "'%c'", next);
    else
        line_addf(&l, "byte 0x%02x", (unsigned)next);
    return s->shown;
}

const char *toml_scan_shown(struct toml_scan *s, struct toml_text text)
{
    struct line l = line_make(s->shown, sizeof(s->shown));

    for (size_t i = 0; i < text.length && !l.cut; i++)
        line_addf(&l, "%c", text.bytes[i] >= ' ' && text.bytes[i] <= '~' ? text.bytes[i] : '?');
    return s->shown;
}

/* The only place that looks before it consumes. */
int toml_scan_peek(const struct toml_scan *s, size_t ahead)
{
    if (ahead >= cursor_left(&s->cursor))
        return -1;
    return s->cursor.bytes[s->cursor.offset + ahead];
}

bool toml_scan_accept(struct toml_scan *s, char wanted)
{
    if (toml_scan_peek(s, 0) != (unsigned char)wanted)
        return false;
    cursor_skip(&s->cursor, 1);
    return true;
}

/* Length of the well-formed sequence at the cursor, 0 when there is none. The bounds of the second
 * byte keep out overlong forms, surrogates and what is above U+10FFFF (RFC 3629, section 4). */
static size_t utf8_length(const struct toml_scan *s)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, length;
    } forms[] = {
        { 0x00, 0x7f, 0x80, 0xbf, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    int first = toml_scan_peek(s, 0);

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        size_t good = 1;

        if (first < forms[i].first_low || first > forms[i].first_high)
            continue;
        while (good < forms[i].length) {
            int low = good == 1 ? forms[i].second_low : 0x80;
            int high = good == 1 ? forms[i].second_high : 0xbf;
            int next = toml_scan_peek(s, good);

            if (next < low || next > high)
                return 0;
            good++;
        }
        return good;
    }
    return 0;
}

int toml_scan_check_utf8(struct toml_scan *s)
{
    struct cursor start = s->cursor;

    s->line = 1;
    while (cursor_left(&s->cursor) > 0) {
        size_t length = utf8_length(s);

        if (length == 0)
            return toml_scan_fail(s, -EBADMSG, "not UTF-8: byte 0x%02x",
                                  (unsigned)toml_scan_peek(s, 0));
        if (toml_scan_peek(s, 0) == '\n')
            s->line++;
        cursor_skip(&s->cursor, length);
    }
    s->cursor = start;
    s->line = 1;
    return 0;
}

static bool is_blank(int byte)
{
    return byte == ' ' || byte == '\t';
}

/* A control character, which nothing in TOML may hold but the tab and the ends of lines. */
static bool is_control(int byte)
{
    return (byte >= 0 && byte < ' ' && byte != '\t') || byte == 0x7f;
}

void toml_scan_blanks(struct toml_scan *s)
{
    while (is_blank(toml_scan_peek(s, 0)))
        cursor_skip(&s->cursor, 1);
}

/* Consumes LF or CRLF. */
static bool accept_newline(struct toml_scan *s)
{
    if (toml_scan_peek(s, 0) == '\r' && toml_scan_peek(s, 1) == '\n')
        cursor_skip(&s->cursor, 1);
    if (!toml_scan_accept(s, '\n'))
        return false;
    s->line++;
    return true;
}

static int skip_comment(struct toml_scan *s)
{
    if (!toml_scan_accept(s, '#'))
        return 0;
    while (toml_scan_peek(s, 0) >= 0 && !is_control(toml_scan_peek(s, 0)))
        cursor_skip(&s->cursor, 1);
    if (toml_scan_peek(s, 0) == '\n' ||
        (toml_scan_peek(s, 0) == '\r' && toml_scan_peek(s, 1) == '\n'))
        return 0;
    if (toml_scan_peek(s, 0) >= 0)
        return toml_scan_fail(s, -EBADMSG, "control character in a comment: %s", toml_scan_next(s));
    return 0;
}

int toml_scan_gap(struct toml_scan *s)
{
    do {
        int r;

        toml_scan_blanks(s);
        r = skip_comment(s);
        if (r < 0)
            return r;
    } while (accept_newline(s));
    return 0;
}

int toml_scan_line_end(struct toml_scan *s)
{
    int r;

    toml_scan_blanks(s);
    r = skip_comment(s);
    if (r < 0)
        return r;
    if (toml_scan_peek(s, 0) >= 0 && !accept_newline(s))
        return toml_scan_fail(s, -EBADMSG, "expected the end of the line, found %s",
                              toml_scan_next(s));
    return 0;
}

static void add_scalar(struct text *t, uint32_t scalar)
{
    unsigned char utf8[4];
    size_t length = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = length - 1; i > 0; i--) {
        utf8[i] = (unsigned char)(0x80 | (scalar & 0x3f));
        scalar >>= 6;
    }
    utf8[0] = (unsigned char)(lead[length] | scalar);
    text_add_bytes(t, utf8, length);
}

/* The digits of \uXXXX or \UXXXXXXXX. */
static int scan_scalar(struct toml_scan *s, size_t digits)
{
    const uint8_t *text = cursor_take(&s->cursor, digits);
    uint8_t bytes[4] = { 0 };
    uint32_t scalar;

    if (!text || hex_decode((const char *)text, digits, bytes + 4 - digits / 2, digits / 2) < 0)
        return toml_scan_fail(s, -EBADMSG, "\\%c takes %zu hexadecimal digits",
                              digits == 4 ? 'u' : 'U', digits);
    scalar =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    if (scalar > 0x10ffff || (scalar >= 0xd800 && scalar <= 0xdfff))
        return toml_scan_fail(s, -EBADMSG, "U+%04X is no Unicode scalar value", scalar);
    add_scalar(&s->scratch, scalar);
    return 0;
}

/* A backslash that ends a line swallows all blanks and newlines up to the next character. */
static int scan_continuation(struct toml_scan *s)
{
    toml_scan_blanks(s);
    if (!accept_newline(s))
        return toml_scan_fail(s, -EBADMSG, "a backslash before blanks must end its line");
    do {
        toml_scan_blanks(s);
    } while (accept_newline(s));
    return 0;
}

static int scan_escape(struct toml_scan *s, bool multiline)
{
    static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    int next = toml_scan_peek(s, 0);
    const char *letter = next > 0 ? strchr(letters, next) : NULL;

    if (multiline && (is_blank(next) || next == '\n' || next == '\r'))
        return scan_continuation(s);
    if (!letter && next != 'u' && next != 'U')
        return toml_scan_fail(s, -EBADMSG, "unknown escape: backslash and %s", toml_scan_next(s));
    cursor_skip(&s->cursor, 1);
    if (!letter)
        return scan_scalar(s, next == 'u' ? 4 : 8);
    text_add_bytes(&s->scratch, &meanings[letter - letters], 1);
    return 0;
}

/* Quotes in a multi-line string: up to two of them are text, also right before the three that end
 * it. Returns true at the end. */
static bool scan_quotes(struct toml_scan *s, char quote)
{
    const uint8_t *quotes;
    size_t count = 0;

    while (count < 5 && toml_scan_peek(s, count) == quote)
        count++;
    quotes = cursor_take(&s->cursor, count);
    text_add_bytes(&s->scratch, quotes, count < 3 ? count : count - 3);
    return count >= 3;
}

/* The text up to the next byte that means something, which is left to the caller. */
static int scan_plain(struct toml_scan *s, char quote)
{
    size_t length = 0;
    int next;

    for (;; length++) {
        next = toml_scan_peek(s, length);
        if (next < 0 || is_control(next) || next == quote || (quote == '"' && next == '\\'))
            break;
    }
    text_add_bytes(&s->scratch, cursor_take(&s->cursor, length), length);
    return next;
}

/* What follows the opening quotes, into s->scratch. */
static int scan_string_body(struct toml_scan *s, char quote, bool multiline, unsigned first_line)
{
    for (;;) {
        int next = scan_plain(s, quote), r;

        if (next < 0)
            return toml_scan_fail(s, -EBADMSG, "the string that begins at line %u has no end",
                                  first_line);
        if (next == quote && !multiline) {
            cursor_skip(&s->cursor, 1);
            return 0;
        }
        if (next == quote) {
            if (scan_quotes(s, quote))
                return 0;
        } else if (next == '\\') {
            cursor_skip(&s->cursor, 1);
            r = scan_escape(s, multiline);
            if (r < 0)
                return r;
        } else if (multiline && accept_newline(s)) {
            text_add(&s->scratch, "\n");
        } else {
            return toml_scan_fail(s, -EBADMSG, "expected the end of the string, found %s",
                                  toml_scan_next(s));
        }
    }
}

int toml_scan_string(struct toml_scan *s, struct toml_text *ret)
{
    char quote = toml_scan_accept(s, '"') ? '"' : '\'';
    unsigned first_line = s->line;
    bool multiline = false;
    int r;

    if (quote == '\'')
        CHECK(toml_scan_accept(s, '\''));
    if (toml_scan_peek(s, 0) == quote && toml_scan_peek(s, 1) == quote) {
        cursor_skip(&s->cursor, 2);
        multiline = true;
        (void)accept_newline(s); /* the first newline is not part of the text */
    }
    text_clear(&s->scratch);
    r = scan_string_body(s, quote, multiline, first_line);
    if (r < 0)
        return r;
    r = text_status(&s->scratch);
    if (r == 0)
        r = toml_tree_copy(s->document, text_string(&s->scratch), s->scratch.length, ret);
    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

static bool is_word(int byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

static int scan_key_part(struct toml_scan *s, struct toml_text *ret)
{
    int next = toml_scan_peek(s, 0);
    const uint8_t *bytes;
    size_t length = 0;
    int r;

    if ((next == '"' || next == '\'') && toml_scan_peek(s, 1) == next &&
        toml_scan_peek(s, 2) == next)
        return toml_scan_fail(s, -EBADMSG, "a multi-line string is no key");
    if (next == '"' || next == '\'')
        return toml_scan_string(s, ret);
    while (is_word(toml_scan_peek(s, length)))
        length++;
    if (length == 0)
        return toml_scan_fail(s, -EBADMSG, "expected a key, found %s", toml_scan_next(s));
    bytes = cursor_take(&s->cursor, length);
    r = toml_tree_copy(s->document, (const char *)bytes, length, ret);
    return r < 0 ? toml_scan_fail_tree(s, r) : 0;
}

int toml_scan_key(struct toml_scan *s, struct toml_path *ret)
{
    ret->count = 0;
    do {
        int r;

        if (ret->count == TOML_DEPTH_MAX)
            return toml_scan_fail(s, -ERANGE, "more than %d levels", TOML_DEPTH_MAX);
        toml_scan_blanks(s);
        r = scan_key_part(s, &ret->parts[ret->count]);
        if (r < 0)
            return r;
        ret->count++;
        toml_scan_blanks(s);
    } while (toml_scan_accept(s, '.'));
    return 0;
}

static size_t token_end(const struct toml_scan *s, size_t from)
{
    int next = toml_scan_peek(s, from);

    while (is_word(next) || next == '+' || next == '.' || next == ':')
        next = toml_scan_peek(s, ++from);
    return from;
}

struct toml_text toml_scan_token(struct toml_scan *s)
{
    enum { DATE_LENGTH = 10 }; /* of 2026-11-20 */
    size_t length = token_end(s, 0);
    int next = toml_scan_peek(s, length + 1);

    /* A date and its time may be parted by one space; no other token holds one. */
    if (length == DATE_LENGTH && toml_scan_peek(s, 4) == '-' && toml_scan_peek(s, length) == ' ' &&
        next >= '0' && next <= '9')
        length = token_end(s, length + 1);
    return (struct toml_text){ .bytes = (const char *)cursor_take(&s->cursor, length),
                               .length = length };
}
