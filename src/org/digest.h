/* The one seam through which the org cores hash: SHA-256 for identity, SipHash-2-4 for short ids.
 * Pure functions; libsodium or instructions of the
 * processor (sha256.h) are behind them and need no initialization. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_SALT_SIZE = 16 };

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* SHA-256 of `size` bytes. */
struct digest digest_bytes(const void *bytes, size_t size);

/* SHA-256 of the concatenation of two byte strings. */
struct digest digest_pair(const void *first, size_t first_size, const void *second,
                          size_t second_size);

/* SipHash-2-4 as a little-endian number. */
uint64_t digest_short(const uint8_t salt[static DIGEST_SALT_SIZE], const void *bytes, size_t size);
