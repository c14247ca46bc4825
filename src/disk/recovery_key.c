#include "disk/recovery_key.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { CHECK_FACTOR = 11, GROUP_VALUE_MAX = 11 * 65535 };

_Static_assert((int)RECOVERY_KEY_DIGITS <= (int)SECRET_SIZE_MAX, "a key is a secret");
_Static_assert(GROUP_VALUE_MAX < 1000000, "a group has six digits");

void recovery_key_encode(const uint8_t random[static RECOVERY_KEY_SIZE], struct secret *ret_digits)
{
    secret_wipe(ret_digits);
    ret_digits->size = RECOVERY_KEY_DIGITS;
    for (size_t group = 0; group < RECOVERY_KEY_GROUPS; group++) {
        uint8_t *digits = ret_digits->bytes + group * RECOVERY_KEY_GROUP_DIGITS;
        uint32_t value = CHECK_FACTOR * ((uint32_t)random[2 * group] << 8 | random[2 * group + 1]);

        for (size_t i = RECOVERY_KEY_GROUP_DIGITS; i-- > 0; value /= 10)
            digits[i] = (uint8_t)('0' + value % 10);
    }
}

bool recovery_key_group_fits(const uint8_t digits[static RECOVERY_KEY_GROUP_DIGITS])
{
    uint32_t value = 0;

    for (size_t i = 0; i < RECOVERY_KEY_GROUP_DIGITS; i++)
        value = 10 * value + (uint32_t)(digits[i] - '0');
    return value % CHECK_FACTOR == 0 && value <= GROUP_VALUE_MAX;
}

static bool is_separator(char c)
{
    return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The number of the group that the next digit belongs to, from 1. */
static unsigned group_at(size_t digit_count)
{
    return (unsigned)(digit_count / RECOVERY_KEY_GROUP_DIGITS) + 1;
}

/* Adds one character of what was typed. Separators stand between groups only: inside of one, a
 * digit was left out before them. */
static int add_character(struct secret *digits, char c)
{
    size_t inside = digits->size % RECOVERY_KEY_GROUP_DIGITS;

    if (is_separator(c))
        return inside == 0 ? 0 : -EBADMSG;
    if (digits->size == RECOVERY_KEY_DIGITS)
        return -ERANGE;
    if (c < '0' || c > '9')
        return -EBADMSG;
    digits->bytes[digits->size] = (uint8_t)c;
    if (inside == RECOVERY_KEY_GROUP_DIGITS - 1 &&
        !recovery_key_group_fits(&digits->bytes[digits->size - inside]))
        return -EBADMSG;
    digits->size++;
    return 0;
}

int recovery_key_parse(const char *typed, size_t size, struct secret *ret_digits,
                       unsigned *ret_group)
{
    _cleanup_secret_ struct secret digits = SECRET_INIT;
    int r = size <= RECOVERY_KEY_TYPED_MAX ? 0 : -ERANGE;

    for (size_t i = 0; r == 0 && i < size; i++)
        r = add_character(&digits, typed[i]);
    if (r == 0 && digits.size < RECOVERY_KEY_DIGITS)
        r = -EBADMSG;
    if (r == -EBADMSG)
        *ret_group = group_at(digits.size);
    return r < 0 ? r : secret_set(ret_digits, digits.bytes, digits.size);
}

void recovery_key_format(const struct secret *digits, char ret_text[static RECOVERY_KEY_TEXT_SIZE])
{
    char *at = ret_text;

    CHECK(digits->size == RECOVERY_KEY_DIGITS);
    for (size_t i = 0; i < RECOVERY_KEY_DIGITS; i++) {
        if (i > 0 && i % RECOVERY_KEY_GROUP_DIGITS == 0)
            *at++ = '-';
        *at++ = (char)digits->bytes[i];
    }
    *at = '\0';
    CHECK(at == ret_text + RECOVERY_KEY_TEXT_SIZE - 1);
}
