/* Who may have a session with us now: what one member can take of our time is bounded, whatever it
 * opens, stalls or breaks. Pure: the owner says what time it is and keeps to the answers.
 *
 * - One session with a peer at a time, whoever opened it, and GATE_SESSIONS_MAX in all, of which
 *   peers may open no more than GATE_OPENED_MAX: the others are for those that we want.
 * - After a session that it opened a peer waits three times as long as that took, at least
 *   GATE_WAIT_MIN_NS and at most GATE_WAIT_MAX_NS: so it has a quarter of our time at the most.
 *   A peer that broke the protocol waits the longest time.
 * - A fresh salt costs a pass over all elements: once in GATE_FRESH_NS.
 * - New statements of a node about itself cost a signature and a commit each: GATE_LEAVES_BURST at
 *   once, then one in each GATE_LEAF_NS. What is refused is not lost: the newest one comes again
 *   with the next session. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum { GATE_KEY_SIZE = 32, GATE_SESSIONS_MAX = 16, GATE_OPENED_MAX = 12, GATE_LEAVES_BURST = 16 };

#define GATE_WAIT_MIN_NS 200000000ull
#define GATE_WAIT_MAX_NS 60000000000ull
#define GATE_FRESH_NS    60000000000ull
#define GATE_LEAF_NS     2000000000ull

struct gate;

/* Allocates for `peers_max` members. Returns 0 or -ENOMEM. */
MUST_USE int gate_new(uint32_t peers_max, struct gate **ret);
struct gate *gate_free(struct gate *g);

/* Forgets a peer that is no member any more. It has no session. */
void gate_forget(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE]);

/* Begins a session. Returns 0; -EBUSY when there is one with this peer, or too many in all; -EAGAIN
 * when the peer opened it too soon; -ENOSPC for more peers than there is room for. */
MUST_USE int gate_begin(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE],
                        bool opened_by_peer, uint64_t now_ns);

/* Ends it; `broken`: the peer broke the protocol, or said nothing until we gave up. */
void gate_end(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE], bool broken,
              uint64_t now_ns);

/* True when a fresh salt is allowed with this peer now; counts as used. The peer is known. */
MUST_USE bool gate_fresh(struct gate *g, const uint8_t peer[static GATE_KEY_SIZE], uint64_t now_ns);

/* The same for a new statement of this node about itself, whoever brings it. Returns false for a
 * node that there is no room for. */
MUST_USE bool gate_leaves(struct gate *g, const uint8_t node[static GATE_KEY_SIZE],
                          uint64_t now_ns);

uint32_t gate_sessions(const struct gate *g);
