/* The roster: who may take part, and who watches whom.
 *
 * Members come and go by signed records (elsewhere); here they are an input. Liveness never adds or
 * removes one. A member has a stable slot from roster_add() to roster_remove(): slots are local,
 * the wire carries ids.
 *
 * The overlay (Rapid, ATC'18, section 4): members are ordered on five rings by a keyed hash of
 * (ring, id); the neighbours on every ring observe each other. Where rings repeat a pair, members
 * short of ten observers are ordered on further rings among themselves. Up to eleven members
 * everybody observes everybody. Observation is mutual, and a function of the set of ids and of the
 * salt alone: two nodes with equal rosters agree on all of it without a message. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/siphash.h"

enum {
    ROSTER_RINGS = 5,
    ROSTER_OBSERVERS_MAX = 2 * ROSTER_RINGS,
    ROSTER_RINGS_EXTRA_MAX = 32,
    ROSTER_CAPACITY_MAX = 16384,
    ROSTER_NONE = 0xffff, /* no slot */
};

struct roster_member {
    uint64_t id; /* 0: the slot is free */
    uint16_t observers[ROSTER_OBSERVERS_MAX];
    uint8_t observer_count;
};

_Static_assert(sizeof(struct roster_member) <= 32,
               "with its liveness a member stays below 64 bytes");

struct roster;

/* Bytes that roster_init() needs; capacity is 1 to ROSTER_CAPACITY_MAX. */
size_t roster_size(uint16_t capacity);

/* Makes an empty roster in `memory` (aligned like malloc's, owned by the caller, outlives it). All
 * members of an org use the same salt. Nothing is allocated, now or later. */
struct roster *roster_init(void *memory, uint16_t capacity,
                           const uint8_t salt[static SIPHASH_KEY_SIZE]);

/* Makes `to` (of the same capacity) equal to `from`: same slots, same overlay. */
void roster_copy(struct roster *to, const struct roster *from);

/* Adds a member; *ret_slot is the lowest free slot. The overlay is as before until roster_seal().
 * -EEXIST when the id is there, -ENOSPC when the roster is full, -EINVAL for the id 0. */
MUST_USE int roster_add(struct roster *r, uint64_t id, uint16_t *ret_slot);

/* Frees the slot of a member. -ENOENT when there is none in it. */
MUST_USE int roster_remove(struct roster *r, uint16_t slot);

/* Computes the overlay anew: O(n log n), no recursion. */
void roster_seal(struct roster *r);

uint16_t roster_capacity(const struct roster *r);
uint16_t roster_count(const struct roster *r);

/* The slot of this id, or ROSTER_NONE. O(log n). */
uint16_t roster_find(const struct roster *r, uint64_t id);

/* The member in this slot, or NULL when it is free or out of range. Valid until the next change. */
const struct roster_member *roster_member(const struct roster *r, uint16_t slot);

/* True when the two observe each other. */
bool roster_adjacent(const struct roster *r, uint16_t slot, uint16_t other);
