/* What the tests of the org cores share: keys, a toy signature, entries and a generator of numbers.
 *
 * The toy signature is a hash of key and message: fast, and as good as Ed25519 for everything but
 * secrecy, which no test here is about. chain_test.c runs once with Ed25519 itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "org/chain.h"
#include "org/entry.h"

struct test_key {
    uint8_t bytes[ENTRY_AUTHOR_SIZE];
};

static inline struct test_key test_key(unsigned number)
{
    struct test_key key;
    uint8_t seed[2] = { (uint8_t)number, (uint8_t)(number >> 8) };
    struct digest d = digest_bytes(seed, sizeof(seed));

    memcpy(key.bytes, d.bytes, sizeof(key.bytes));
    return key;
}

static inline uint64_t test_mix(uint64_t sum, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ b[i]) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    return sum;
}

static inline void test_sign(const uint8_t *author, const void *message, size_t size,
                             uint8_t signature[static CHAIN_SIGNATURE_SIZE])
{
    uint64_t sum = test_mix(test_mix(1, author, ENTRY_AUTHOR_SIZE), message, size);

    for (size_t i = 0; i < CHAIN_SIGNATURE_SIZE; i += sizeof(sum)) {
        sum += i;
        memcpy(signature + i, &sum, sizeof(sum));
    }
}

static inline bool test_verify(void *context, const uint8_t *author, const void *message,
                               size_t size, const uint8_t *signature)
{
    uint8_t expected[CHAIN_SIGNATURE_SIZE];

    if (context)
        ++*(unsigned *)context;
    test_sign(author, message, size, expected);
    return memcmp(expected, signature, sizeof(expected)) == 0;
}

static inline bool test_admits_all(void *context, const uint8_t *author)
{
    return true;
}

/* A small generator (xorshift64*), so that a failing seed can be run again. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static inline struct entry test_entry(uint8_t operation, const char *key, uint32_t field,
                                      const char *value, uint64_t stamp)
{
    return (struct entry){
        .operation = operation,
        .kind = 9, /* document */
        .stamp = stamp,
        .key = (const uint8_t *)key,
        .key_size = (uint8_t)strlen(key),
        .field = field,
        .value = (const uint8_t *)value,
        .value_size = strlen(value),
    };
}

/* Appends and, when asked, seals. Returns what chain_append() returned. */
static inline int test_append(struct chain_set *set, const struct test_key *key, uint64_t instance,
                              const struct entry *e, bool seal)
{
    uint8_t body[ENTRY_SIZE_MAX], message[CHAIN_MESSAGE_SIZE], signature[CHAIN_SIGNATURE_SIZE];
    size_t size;
    uint32_t chain;
    int r = entry_encode(e, body, &size);

    if (r == 0)
        r = chain_append(set, key->bytes, instance, body, size, &chain);
    if (r < 0 || !seal)
        return r;
    chain_head_message(set, chain, message);
    test_sign(key->bytes, message, sizeof(message), signature);
    return chain_seal(set, chain, signature);
}

static inline void test_revocation_sign(struct revoke_statement *s, const struct digest *org)
{
    uint8_t message[REVOKE_MESSAGE_MAX];
    size_t size;
    int r = revoke_message(s, org, message, &size);

    CHECK(r == 0);
    test_sign(s->revoker, message, size, s->signature);
}
