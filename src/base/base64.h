/* Base64 with padding (RFC 4648, section 4), strictly: one form for each sequence of bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Characters that `size` bytes become, without the zero at the end. */
#define BASE64_LENGTH(size) (((size) + 2) / 3 * 4)

/* Writes BASE64_LENGTH(size) characters and a terminating zero. */
void base64_encode(const uint8_t *bytes, size_t size, char *ret_text);

/* Decodes the whole text. Returns 0; -EBADMSG (output undefined) for a character, padding or
 * trailing bits that no encoder writes; -ERANGE when there are more than `capacity` bytes. */
MUST_USE int base64_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t capacity,
                           size_t *ret_size);
