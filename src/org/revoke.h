/* Revocation: a statement, signed by itself, that ends a key for ever.
 *
 *   statement = version role revoker subject stamp reason frontiers signature
 *   version   = u8, 1
 *   role      = u8: 1 node, 2 admin
 *   revoker   = 32 bytes, subject = 32 bytes (Ed25519 public keys)
 *   stamp     = le64
 *   reason    = size:varint 0..200, UTF-8 text
 *   frontiers = count:varint 0..16, count * (instance:le64, seq:varint, hash:32 bytes), rising by
 *               instance; the last valid entry of each chain. seq 0 is not written.
 *   signature = 64 bytes over "broch revocation 1", 0, org id (32 bytes), everything before it
 *
 * A chain of the subject that the statement does not name is void from its first entry. Several
 * statements about one key hold together: the lowest frontier counts.
 *
 * Statements are not entries of a chain. If they were, an admin's own revocation could void the
 * revocations that it had written, depending on which arrived first; as they are, the set only
 * grows, and a node revocation stands whatever happens to its author later. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/digest.h"

enum {
    REVOKE_VERSION = 1,
    REVOKE_FRONTIERS_MAX = 16,
    REVOKE_REASON_MAX = 200,
    REVOKE_SIGNATURE_SIZE = 64,
    /* version, role, keys, stamp, reason, count, frontiers, signature */
    REVOKE_SIZE_MAX = 2 + 64 + 8 + 2 + REVOKE_REASON_MAX + 1 + REVOKE_FRONTIERS_MAX * 50 + 64,
    REVOKE_MESSAGE_MAX = 19 + 32 + REVOKE_SIZE_MAX,
};

enum revoke_role { REVOKE_NODE = 1, REVOKE_ADMIN = 2 };

struct revoke_frontier {
    uint64_t instance;
    uint64_t seq;
    struct digest hash;
};

struct revoke_statement {
    uint8_t role;
    uint8_t reason_size;
    uint8_t frontier_count;
    uint8_t revoker[32];
    uint8_t subject[32];
    uint64_t stamp;
    char reason[REVOKE_REASON_MAX];
    struct revoke_frontier frontiers[REVOKE_FRONTIERS_MAX];
    uint8_t signature[REVOKE_SIGNATURE_SIZE];
};

/* Returns 0 or -EBADMSG. */
MUST_USE int revoke_decode(const void *bytes, size_t size, struct revoke_statement *ret);

/* Returns 0, or -EINVAL for a statement that breaks the grammar. */
MUST_USE int revoke_encode(const struct revoke_statement *s, uint8_t bytes[static REVOKE_SIZE_MAX],
                           size_t *ret_size);

/* The bytes that the revoker signs. Returns 0 or -EINVAL. */
MUST_USE int revoke_message(const struct revoke_statement *s, const struct digest *org,
                            uint8_t message[static REVOKE_MESSAGE_MAX], size_t *ret_size);

/* The grow-only set of statements. Authority and signatures were checked by whoever adds. */
struct revoke_set;

/* Allocates for `capacity` statements. Returns 0 or -ENOMEM. */
MUST_USE int revoke_set_new(uint32_t capacity, struct revoke_set **ret);
struct revoke_set *revoke_set_free(struct revoke_set *set);

/* Returns 1 when the statement is new, 0 when it was known, -ENOSPC when the set is full. */
MUST_USE int revoke_set_add(struct revoke_set *set, const struct revoke_statement *s);

uint32_t revoke_set_count(const struct revoke_set *set);

/* Statement `index` below the count, in order of arrival. */
const struct revoke_statement *revoke_set_at(const struct revoke_set *set, uint32_t index);

/* True when any statement ends this key in this role. */
bool revoke_set_covers(const struct revoke_set *set, uint8_t role,
                       const uint8_t subject[static 32]);

/* The last seq of an admin's chain that all statements allow: UINT64_MAX when none is about it. */
uint64_t revoke_set_frontier(const struct revoke_set *set, const uint8_t subject[static 32],
                             uint64_t instance);
