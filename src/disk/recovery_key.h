/* The recovery key: 128 bits that a person can copy from a screen and type on any keyboard. Pure.
 *
 *     key    = group 7*8( [separator] group )
 *     group  = 6DIGIT, a multiple of 11, at most 11 * 65535: two bytes of the key, the first byte
 *              higher
 *     separator = "-" or white space; any number of them, also none
 *
 * One wrong digit changes a group by d * 10^n, two swapped neighbours by d * 9 * 10^n; 11 divides
 * neither. So such a slip is found, and named by its group, before a try is spent on it. The
 * passphrase of the keyslot is the 48 digits, so that the key also works with `cryptsetup open`,
 * typed without separators. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

enum {
    RECOVERY_KEY_SIZE = 16, /* bytes of randomness */
    RECOVERY_KEY_GROUPS = 8,
    RECOVERY_KEY_GROUP_DIGITS = 6,
    RECOVERY_KEY_DIGITS = RECOVERY_KEY_GROUPS * RECOVERY_KEY_GROUP_DIGITS,
    RECOVERY_KEY_TEXT_SIZE = RECOVERY_KEY_DIGITS + RECOVERY_KEY_GROUPS, /* with dashes and zero */
    RECOVERY_KEY_TYPED_MAX = 256, /* what is typed at most, in bytes; longer is no key */
};

/* The digits of a key made of these random bytes. */
void recovery_key_encode(const uint8_t random[static RECOVERY_KEY_SIZE], struct secret *ret_digits);

/* Reads what somebody typed. Returns 0 with the digits; -EBADMSG with the number of the first group
 * (from 1) that is mistyped or incomplete in *ret_group; or -ERANGE when more than a key was typed.
 * *ret_digits is set on success only. */
MUST_USE int recovery_key_parse(const char *typed, size_t size, struct secret *ret_digits,
                                unsigned *ret_group);

/* True for the six digits of a group that can be one. */
bool recovery_key_group_fits(const uint8_t digits[static RECOVERY_KEY_GROUP_DIGITS]);

/* "123456-...": the digits in groups, for a person. */
void recovery_key_format(const struct secret *digits, char ret_text[static RECOVERY_KEY_TEXT_SIZE]);
