/* The bare values of TOML: integers, floats, dates and times. Each function takes one whole token.
 * Private to toml*.c. */
#pragma once

#include "base/toml.h"

/* 99, +1_000, 0xdead_beef, 0o755, 0b11. Returns 0, -EBADMSG, or -ERANGE beyond 64 signed bits. */
MUST_USE int toml_number_integer(const char *token, size_t length, int64_t *ret);

/* 1.5, -2e+10, inf, +nan. Returns 0, -EBADMSG, -ERANGE when it is too large, or -ENOMEM. */
MUST_USE int toml_number_float(const char *token, size_t length, double *ret);

/* A token that only a date or a time can be, by its first characters. */
bool toml_number_is_time(const char *token, size_t length);

/* RFC 3339, with a space or a small t and z where it allows them. Returns 0 or -EBADMSG. */
MUST_USE int toml_number_time(const char *token, size_t length, enum toml_kind *ret_kind,
                              struct toml_time *ret);
