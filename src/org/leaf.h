/* Owned leaves: what a node says about itself. No history: the newest statement replaces the one
 * before, and the node's leave or revocation ends them all, so there are no tombstones.
 *
 *   statement = version node instance seq stamp leaves signature
 *   version   = u8, 1
 *   node      = 32 bytes (Ed25519 public key), instance = le64, seq = varint >= 1, stamp = le64
 *   leaves    = count:varint 0..64, count * leaf, strictly rising by (kind, key)
 *   leaf      = kind:le16, key (size:varint 1..255, bytes), value (size:varint, bytes)
 *   root      = SHA-256("broch leaf root 1" 0, SHA-256(leaf) of each)
 *   signature = over "broch leaves 1" 0, org id, node, instance:le64, seq:le64, stamp:le64, root
 *
 * The higher (instance, seq) holds. So an instance is not drawn at random but from the clock, and
 * above every one that the node has seen of itself: a node that finds a statement of its own that
 * it did not write (a restored disk) draws again.
 *
 * Two statements of one (node, instance, seq) with different content prove a copied key. The node's
 * leaves are then void for ever, and the proof takes their place:
 *
 *   proof = version:u8 (2), node, instance:le64, seq:varint, side, side
 *   side  = stamp:le64, root:32, signature:64; the first side is the smaller as bytes */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/digest.h"

enum {
    LEAF_STATEMENT = 1, /* the version bytes */
    LEAF_PROOF = 2,
    LEAF_COUNT_MAX = 64,
    LEAF_KEY_SIZE_MAX = 255,
    LEAF_SIZE_MAX = 16384, /* of a statement */
    LEAF_SIGNATURE_SIZE = 64,
    LEAF_MESSAGE_SIZE = 15 + 32 + 32 + 8 + 8 + 8 + 32,
    LEAF_PROOF_SIZE_MAX = 1 + 32 + 8 + 10 + 2 * (8 + 32 + 64),
};

struct leaf_value {
    const uint8_t *key;
    const uint8_t *value;
    uint32_t value_size;
    uint16_t kind;
    uint8_t key_size;
};

/* A decoded statement; views into its bytes. */
struct leaf_statement {
    const uint8_t *node;
    const uint8_t *signature;
    uint64_t instance;
    uint64_t seq;
    uint64_t stamp;
    struct digest root;
    uint32_t count;
    struct leaf_value leaves[LEAF_COUNT_MAX];
};

/* Returns 0 or -EBADMSG. */
MUST_USE int leaf_decode(const void *bytes, size_t size, struct leaf_statement *ret);

/* Encodes; s->root is not looked at, s->signature is written as it stands. Returns 0, -EINVAL for
 * leaves that break the grammar, or -E2BIG. */
MUST_USE int leaf_encode(const struct leaf_statement *s, uint8_t bytes[static LEAF_SIZE_MAX],
                         size_t *ret_size);

/* The bytes to sign, for the root in `s` (leaf_decode() worked it out). */
void leaf_message(const struct leaf_statement *s, const struct digest *org,
                  uint8_t message[static LEAF_MESSAGE_SIZE]);

struct leaf_rules {
    bool (*verify)(void *context, const uint8_t *node, const void *message, size_t size,
                   const uint8_t *signature);
    bool (*admits)(void *context, const uint8_t *node); /* a member, and not revoked */
    void *context;
};

enum leaf_result {
    LEAF_TOOK,
    LEAF_KNOWN,
    LEAF_OLDER,   /* we have a newer one */
    LEAF_FORKED,  /* a proof was made, or taken */
    LEAF_STRANGER /* not a member here: refused, nothing stored */
};

/* The newest statement of each node. */
struct leaf_set;

MUST_USE int leaf_set_new(uint32_t nodes_max, const struct leaf_rules *rules,
                          const struct digest *org, struct leaf_set **ret);
struct leaf_set *leaf_set_free(struct leaf_set *set);

/* Takes a statement or a proof. Returns a leaf_result with *ret_node (the slot, below nodes_max;
 * untouched for a stranger), -EBADMSG, -EKEYREJECTED, or -ENOSPC. */
MUST_USE int leaf_take(struct leaf_set *set, const void *bytes, size_t size, uint32_t *ret_node);

uint32_t leaf_set_count(const struct leaf_set *set);

/* The statement or proof of a slot as it travels. */
const uint8_t *leaf_bytes(const struct leaf_set *set, uint32_t node, size_t *ret_size);

/* The key of the node in this slot. */
const uint8_t *leaf_node(const struct leaf_set *set, uint32_t node);

/* The slot of a node, or UINT32_MAX. */
uint32_t leaf_find(const struct leaf_set *set, const uint8_t node[static 32]);

/* What stands for the slot in the index: the same wherever the same is known. */
struct digest leaf_digest(const struct leaf_set *set, uint32_t node);

/* Reads one leaf of a node. Returns 0 with a view, or -ENOENT. */
MUST_USE int leaf_read(const struct leaf_set *set, uint32_t node, uint16_t kind, const void *key,
                       size_t key_size, struct leaf_value *ret);
