/* Bytes to and from lower-case hexadecimal text. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Writes 2 * size digits and a terminating zero to `ret_text`. */
void hex_encode(const uint8_t *bytes, size_t size, char *ret_text);

/* Decodes exactly `size` bytes from the `length` digits at `text`. Upper-case digits are accepted.
 * Returns 0, or -EBADMSG (output untouched) when length is not 2 * size or a character is no digit.
 */
MUST_USE int hex_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t size);
