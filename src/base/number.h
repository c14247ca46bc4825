/* Checked integers and strict number parsing. strtol, atoi and sscanf are banned: they accept
 * signs, spaces, leading zeros and trailing rubbish. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define NS_PER_US 1000ull
#define US_PER_S  1000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

/* *ret = a + b or a * b. False when the result does not fit; *ret is then untouched. */
static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/* The smallest multiple of `step` that is not below `value`; step is a power of two. */
static inline uint64_t round_up(uint64_t value, uint64_t step)
{
    CHECK(step != 0 && (step & (step - 1)) == 0);
    CHECK(value <= UINT64_MAX - (step - 1));
    return (value + step - 1) & ~(step - 1);
}

/* Parses the whole of `text[0..length)` as a decimal number without sign, space or leading zero.
 * Returns 0, -EBADMSG for anything else, -ERANGE above `limit`. *ret is set on success only. */
MUST_USE int number_parse(const char *text, size_t length, uint64_t limit, uint64_t *ret);

/* The same for a zero-terminated string. */
MUST_USE int number_parse_text(const char *text, uint64_t limit, uint64_t *ret);

/* Parses a size: a number followed by nothing (bytes) or by KiB, MiB or GiB. Errors as above. */
MUST_USE int number_parse_size(const char *text, uint64_t *ret);

/* Parses a duration into nanoseconds: a number followed by ms, s, min or h. Errors as above. */
MUST_USE int number_parse_duration(const char *text, uint64_t *ret_ns);
