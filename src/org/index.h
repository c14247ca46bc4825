/* What two nodes compare: the set of elements that a node has, as a hash trie and as a sketch of
 * 64-bit short ids, both kept with every write.
 *
 * A short id is SipHash-2-4 of the element's value under a salt, 0 being replaced by 1. The salt of
 * the index is one for the whole org, so that the sketch needs no rebuilding; a session that met a
 * collision uses a fresh one of its own (sync.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "org/merkle.h"
#include "org/sketch.h"

struct index;

/* Allocates for `capacity` elements. Returns 0 or -ENOMEM. */
MUST_USE int index_new(uint32_t capacity, const uint8_t salt[static DIGEST_SALT_SIZE],
                       struct index **ret);
struct index *index_free(struct index *index);

/* As merkle_put() and merkle_delete(). */
MUST_USE int index_put(struct index *index, const struct digest *key, const struct digest *value);
bool index_delete(struct index *index, const struct digest *key);

struct digest index_root(struct index *index);
uint32_t index_count(const struct index *index);
const struct sketch *index_sketch(const struct index *index);
struct merkle *index_trie(struct index *index);

/* Slots from 0 to the highest that was ever used; the id of a free slot is 0. */
uint32_t index_slots(const struct index *index);
uint64_t index_id(const struct index *index, uint32_t slot);

/* The short id of a value under another salt. */
uint64_t index_short_id(const uint8_t salt[static DIGEST_SALT_SIZE], const struct digest *value);
