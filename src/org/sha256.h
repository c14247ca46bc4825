/* SHA-256 (FIPS 180-4) by the instructions that processors have for it: the state hashes short
 * strings by the million, and this takes a fifth of the time. Where they are missing, libsodium is
 * used instead (digest.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_BLOCK_SIZE = 64 };

/* A string on its way. */
struct sha256 {
    uint32_t state[8];
    uint64_t size; /* of what was added */
    uint8_t block[SHA256_BLOCK_SIZE];
};

/* True when this machine has the instructions; without them nothing below may be called. */
bool sha256_available(void);

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t size);
void sha256_end(struct sha256 *s, uint8_t ret[static SHA256_SIZE]);
