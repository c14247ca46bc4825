#include "base/toml_number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/number.h"
#include "base/text.h"

static unsigned digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f')
        return (unsigned)(digit - 'a') + 10;
    if (digit >= 'A' && digit <= 'F')
        return (unsigned)(digit - 'A') + 10;
    return UINT8_MAX;
}

static bool is_digit_at(const char *token, size_t length, size_t offset, unsigned radix)
{
    return offset < length && digit_value(token[offset]) < radix;
}

/* The end of the digits that begin at `offset`, single underscores between two of them included;
 * `offset` itself when there are none. */
static size_t digits_end(const char *token, size_t length, size_t offset, unsigned radix)
{
    size_t end = offset;

    while (is_digit_at(token, length, end, radix) ||
           (end > offset && end < length && token[end] == '_' &&
            is_digit_at(token, length, end + 1, radix)))
        end++;
    return end;
}

static size_t sign_length(const char *token, size_t length)
{
    return length > 0 && (token[0] == '+' || token[0] == '-') ? 1 : 0;
}

static unsigned prefix_radix(const char *token, size_t length)
{
    if (length < 2 || token[0] != '0')
        return 10;
    return token[1] == 'x' ? 16 : token[1] == 'o' ? 8 : token[1] == 'b' ? 2 : 10;
}

int toml_number_integer(const char *token, size_t length, int64_t *ret)
{
    unsigned radix = prefix_radix(token, length);
    size_t start = radix == 10 ? sign_length(token, length) : 2;
    size_t end = digits_end(token, length, start, radix);
    bool negative = length > 0 && token[0] == '-';
    uint64_t value = 0;

    if (end == start || end != length)
        return -EBADMSG;
    if (radix == 10 && token[start] == '0' && end > start + 1)
        return -EBADMSG;
    for (size_t i = start; i < end; i++) {
        if (token[i] == '_')
            continue;
        if (!mul_ok(value, radix, &value) || !add_ok(value, digit_value(token[i]), &value))
            return -ERANGE;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return -ERANGE;
    /* Negated as unsigned: the least integer has no positive twin. */
    *ret = (int64_t)(negative ? 0 - value : value);
    return 0;
}

static bool has_float_grammar(const char *token, size_t length)
{
    size_t start = sign_length(token, length);
    size_t end = digits_end(token, length, start, 10);
    bool is_float = false;

    if (end == start || (token[start] == '0' && end > start + 1))
        return false;
    if (end < length && token[end] == '.') {
        start = end + 1;
        end = digits_end(token, length, start, 10);
        if (end == start)
            return false;
        is_float = true;
    }
    if (end < length && (token[end] == 'e' || token[end] == 'E')) {
        start = end + 1;
        start += sign_length(token + start, length - start);
        end = digits_end(token, length, start, 10);
        if (end == start)
            return false;
        is_float = true;
    }
    return is_float && end == length;
}

/* Like strtod(), whatever decimal point the program's locale has. */
static int convert(const char *digits, double *ret)
{
    locale_t neutral = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value;

    if (!neutral)
        return -ENOMEM;
    value = strtod_l(digits, NULL, neutral);
    freelocale(neutral);
    if (isinf(value))
        return -ERANGE;
    *ret = value;
    return 0;
}

int toml_number_float(const char *token, size_t length, double *ret)
{
    size_t sign = sign_length(token, length);
    double direction = sign > 0 && token[0] == '-' ? -1.0 : 1.0;
    _cleanup_text_ struct text digits = TEXT_INIT;

    if (length - sign == 3 && memcmp(token + sign, "inf", 3) == 0) {
        *ret = copysign(HUGE_VAL, direction);
        return 0;
    }
    if (length - sign == 3 && memcmp(token + sign, "nan", 3) == 0) {
        *ret = copysign((double)NAN, direction);
        return 0;
    }
    if (!has_float_grammar(token, length))
        return -EBADMSG;
    for (size_t i = 0; i < length; i++) {
        if (token[i] != '_')
            text_add_bytes(&digits, &token[i], 1);
    }
    if (text_status(&digits) < 0)
        return -ENOMEM;
    return convert(text_string(&digits), ret);
}

bool toml_number_is_time(const char *token, size_t length)
{
    return (length > 2 && token[2] == ':') ||
           (length > 4 && token[4] == '-' && digits_end(token, 4, 0, 10) == 4 &&
            !memchr(token, '_', 4));
}

/* Exactly `width` digits with a value from `low` to `high`; anything else fails the cursor. */
static unsigned take_number(struct cursor *c, size_t width, unsigned low, unsigned high)
{
    const uint8_t *digits = cursor_take(c, width);
    unsigned value = 0;

    for (size_t i = 0; digits && i < width; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            c->failed = true;
        else
            value = 10 * value + (unsigned)(digits[i] - '0');
    }
    if (value < low || value > high)
        c->failed = true;
    return value;
}

/* The next byte, which must be one of `marks`. */
static char take_mark(struct cursor *c, const char *marks)
{
    char mark = (char)cursor_u8(c);

    if (mark == '\0' || !strchr(marks, mark))
        c->failed = true;
    return mark;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        return 29;
    return month >= 1 && month <= 12 ? days[month - 1] : 0;
}

static void take_date(struct cursor *c, struct toml_time *ret)
{
    ret->year = (uint16_t)take_number(c, 4, 0, 9999);
    (void)take_mark(c, "-");
    ret->month = (uint8_t)take_number(c, 2, 1, 12);
    (void)take_mark(c, "-");
    ret->day = (uint8_t)take_number(c, 2, 1, days_of_month(ret->year, ret->month));
}

static bool next_is(const struct cursor *c, const char *marks)
{
    return !c->failed && cursor_left(c) > 0 && c->bytes[c->offset] != '\0' &&
           strchr(marks, c->bytes[c->offset]);
}

static void take_clock(struct cursor *c, struct toml_time *ret)
{
    uint32_t weight = 100000000; /* nanoseconds of the first digit after the point */

    ret->hour = (uint8_t)take_number(c, 2, 0, 23);
    (void)take_mark(c, ":");
    ret->minute = (uint8_t)take_number(c, 2, 0, 59);
    (void)take_mark(c, ":");
    ret->second = (uint8_t)take_number(c, 2, 0, 60);
    if (!next_is(c, "."))
        return;
    cursor_skip(c, 1);
    do {
        ret->nanosecond += weight * take_number(c, 1, 0, 9);
        weight /= 10;
    } while (next_is(c, "0123456789"));
}

static void take_offset(struct cursor *c, struct toml_time *ret)
{
    char mark = take_mark(c, "Zz+-");
    unsigned hours, minutes;

    if (mark == 'Z' || mark == 'z')
        return;
    hours = take_number(c, 2, 0, 23);
    (void)take_mark(c, ":");
    minutes = take_number(c, 2, 0, 59);
    ret->offset_minutes = (int16_t)(60 * hours + minutes);
    if (mark == '-')
        ret->offset_minutes = (int16_t)-ret->offset_minutes;
}

int toml_number_time(const char *token, size_t length, enum toml_kind *ret_kind,
                     struct toml_time *ret)
{
    struct cursor c = cursor_make(token, length);
    struct toml_time time = { .year = 0 };
    enum toml_kind kind = TOML_LOCAL_TIME;

    if (length > 2 && token[2] == ':') {
        take_clock(&c, &time);
    } else {
        take_date(&c, &time);
        kind = TOML_LOCAL_DATE;
        if (cursor_left(&c) > 0) {
            (void)take_mark(&c, "Tt ");
            take_clock(&c, &time);
            kind = TOML_LOCAL_DATETIME;
        }
        if (cursor_left(&c) > 0 && kind == TOML_LOCAL_DATETIME) {
            take_offset(&c, &time);
            kind = TOML_OFFSET_DATETIME;
        }
    }
    if (!cursor_finished(&c))
        return -EBADMSG;
    *ret_kind = kind;
    *ret = time;
    return 0;
}
