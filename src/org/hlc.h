/* The hybrid logical clock: 48 bits of milliseconds of the wall clock, 16 bits of counter. Stamps
 * break ties between concurrent entries; what an author had seen is said by the entry's context,
 * never by a stamp.
 *
 * A stamp more than a minute ahead of the wall clock is deferred, not refused: were it refused by
 * one node's clock and taken by another's, two replicas would never meet. Deferred entries stay
 * outside state and root until they are due. The queue is bounded; full, it drops the newest, and
 * the caller asks for that entry again later.
 *
 * Stamps never go back across a restart: they are issued below a ceiling that the caller has
 * written to disk, and the clock starts from the ceiling. Pure: the wall clock is an argument. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    HLC_COUNTER_BITS = 16,
    HLC_DEFERRED_MAX = 256,
    HLC_AHEAD_MAX_MS = 60000,
    /* How far the written ceiling runs ahead: one write in five seconds at most, and a restart
     * moves the clock by no more than that. */
    HLC_RESERVE_MS = 5000,
};

#define HLC_MS_MAX ((1ull << 48) - 1)

struct hlc_deferred {
    uint64_t stamp;
    uint64_t handle; /* the caller's name for the entry */
};

struct hlc {
    uint64_t last;    /* the highest stamp issued or accepted */
    uint64_t ceiling; /* written to disk; stamps are issued below it */
    struct hlc_deferred deferred[HLC_DEFERRED_MAX]; /* by stamp, then handle */
    size_t deferred_count;
};

static inline uint64_t hlc_stamp_make(uint64_t ms, uint16_t counter)
{
    CHECK(ms <= HLC_MS_MAX);
    return ms << HLC_COUNTER_BITS | counter;
}

static inline uint64_t hlc_stamp_ms(uint64_t stamp)
{
    return stamp >> HLC_COUNTER_BITS;
}

/* Starts from the ceiling that was read back from disk; 0 on the first start. */
void hlc_init(struct hlc *h, uint64_t ceiling);

/* Issues a stamp above every stamp issued and accepted so far. Returns 0; or 1 when the ceiling
 * has moved: the caller must write h->ceiling to disk before it uses the stamp; or -ERANGE when the
 * 48 bits are used up (nothing changed). */
MUST_USE int hlc_issue(struct hlc *h, uint64_t wall_ms, uint64_t *ret_stamp);

/* The disk did not take the ceiling: `written` is what it still holds. The stamp must not be used;
 * the next one asks for the write again. */
void hlc_write_failed(struct hlc *h, uint64_t written);

/* Looks at another's stamp. Returns 0 when it is accepted (stamps issued from now on are above it),
 * 1 when `handle` was deferred, -ENOSPC when the queue was full: `*ret_dropped` is then the handle
 * of the newest stamp, this one or one that had to go for it, which the caller asks for again. */
MUST_USE int hlc_accept(struct hlc *h, uint64_t wall_ms, uint64_t stamp, uint64_t handle,
                        uint64_t *ret_dropped);

/* Takes a deferred entry that is due, lowest stamp first: true, and its handle. */
MUST_USE bool hlc_take_due(struct hlc *h, uint64_t wall_ms, uint64_t *ret_handle);
