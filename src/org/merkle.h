/* A hash trie: one root for a set of elements, and the way to find where two sets differ.
 *
 * An element is a key (32 bytes that behave like a hash: SHA-256 of its name) and a value (a digest
 * that commits to the element with its name). With the keys read as 64 nibbles, high nibble first:
 *
 *   H(no elements)  = 32 zero bytes
 *   H(one element)  = its value
 *   H(more)         = SHA-256("broch trie 1" 0, which:le16, H(group) of each group that is not
 *                     empty, in rising order), where the groups are the elements by their first
 *                     nibble that is not the same in all of them, and bit g of `which` is group g
 *
 * The shape, and so the root, depends on the content alone: never on history. A write costs
 * O(log n); hashes are worked out when somebody asks for the root, once for each branch that was
 * touched since, so that a batch of writes shares the work. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/digest.h"

enum { MERKLE_FAN_OUT = 16, MERKLE_DEPTH_MAX = 2 * DIGEST_SIZE };

#define MERKLE_NONE UINT32_MAX

struct merkle;

/* The elements below one nibble of a prefix. */
struct merkle_group {
    uint32_t count;
    struct digest hash;
};

/* Allocates for `capacity` elements. Returns 0 or -ENOMEM. */
MUST_USE int merkle_new(uint32_t capacity, struct merkle **ret);
struct merkle *merkle_free(struct merkle *m);

/* Adds or replaces. Returns 1 when the key is new, 0 when its value was replaced, -ENOSPC when
 * full. `ret_slot` (may be NULL) gets the element's slot: a number below the capacity that stays
 * with the key until it is deleted. */
MUST_USE int merkle_put(struct merkle *m, const struct digest *key, const struct digest *value,
                        uint32_t *ret_slot);

/* Removes a key; false when it was not there. */
bool merkle_delete(struct merkle *m, const struct digest *key);

/* The slot of a key, or MERKLE_NONE. */
uint32_t merkle_find(const struct merkle *m, const struct digest *key);

const struct digest *merkle_key(const struct merkle *m, uint32_t slot);
const struct digest *merkle_value(const struct merkle *m, uint32_t slot);

uint32_t merkle_count(const struct merkle *m);
struct digest merkle_root(struct merkle *m);

/* The groups of the elements whose keys begin with the first `depth` nibbles of `prefix`, by their
 * next nibble; depth < MERKLE_DEPTH_MAX. Returns how many elements there are in all. */
uint32_t merkle_groups(struct merkle *m, const struct digest *prefix, unsigned depth,
                       struct merkle_group ret[static MERKLE_FAN_OUT]);

/* The slots of up to `capacity` elements below a prefix, in key order; returns how many there are
 * in all, which may be more. */
uint32_t merkle_list(const struct merkle *m, const struct digest *prefix, unsigned depth,
                     uint32_t *ret_slots, uint32_t capacity);
