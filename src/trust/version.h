/* The version of a release, "1.20.3": three numbers, compared as numbers. With "v" in front it is
 * the first part of a generation's name. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { VERSION_NUMBER_MAX = 999999, VERSION_TEXT_MAX = 24 /* with "v" and the zero */ };

struct version {
    uint32_t numbers[3];
};

/* Parses "1.20.3": no sign, no leading zero, no number above VERSION_NUMBER_MAX, nothing behind.
 * Returns 0 or -EBADMSG. */
MUST_USE int version_parse(const char *text, size_t length, struct version *ret);

/* The same with "v" in front, as manifests and names have it. */
MUST_USE int version_parse_name(const char *text, struct version *ret);

/* Negative, 0 or positive, as `a` is older than, equal to or newer than `b`. */
int version_compare(const struct version *a, const struct version *b);
