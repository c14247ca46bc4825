#include "org/digest.h"

#include <stdbool.h>

#include <sodium.h>

#include "org/sha256.h"

_Static_assert(DIGEST_SIZE == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(DIGEST_SALT_SIZE == crypto_shorthash_siphash24_KEYBYTES, "SipHash-2-4");

/* Asked of the processor once: the answer takes longer than a hash. */
static bool instructions(void)
{
    static int known; /* 0: not yet; racing threads would find the same */

    if (known == 0)
        known = sha256_available() ? 1 : -1;
    return known > 0;
}

struct digest digest_bytes(const void *bytes, size_t size)
{
    struct sha256 s;
    struct digest d;

    if (instructions()) {
        sha256_begin(&s);
        sha256_add(&s, bytes, size);
        sha256_end(&s, d.bytes);
        return d;
    }
    (void)crypto_hash_sha256(d.bytes, bytes, size); /* cannot fail */
    return d;
}

struct digest digest_pair(const void *first, size_t first_size, const void *second,
                          size_t second_size)
{
    crypto_hash_sha256_state state;
    struct sha256 s;
    struct digest d;

    if (instructions()) {
        sha256_begin(&s);
        sha256_add(&s, first, first_size);
        sha256_add(&s, second, second_size);
        sha256_end(&s, d.bytes);
        return d;
    }
    (void)crypto_hash_sha256_init(&state); /* none of the three can fail */
    (void)crypto_hash_sha256_update(&state, first, first_size);
    (void)crypto_hash_sha256_update(&state, second, second_size);
    (void)crypto_hash_sha256_final(&state, d.bytes);
    return d;
}

uint64_t digest_short(const uint8_t salt[static DIGEST_SALT_SIZE], const void *bytes, size_t size)
{
    uint8_t out[8];
    uint64_t value = 0;

    (void)crypto_shorthash_siphash24(out, bytes, size, salt); /* cannot fail */
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)out[i] << (8 * i);
    return value;
}
