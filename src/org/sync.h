/* Two nodes find out what differs between their indexes, and give each other what is missing.
 *
 * One session, two roles. Messages begin with a kind byte; a *turn* is a sequence of messages that
 * ends with END or DONE. Ids are short ids under the session's salt.
 *
 *   1 OPEN     root:32, count:varint, flags:u8 (1: fresh salt), [salt:16], sketch:512
 *   2 EQUAL    (nothing): the roots are equal
 *   3 REFUSED  (nothing): busy, or no fresh salt again so soon
 *   4 WANT     count:varint 1..4096, count * lower half of an id:le32, rising
 *   5 ELEMENT  what the owner's give() wrote
 *   6 CELLS    first:varint, set size:varint, count:varint 1..4096, cells (symbol.h)
 *   7 GROUPS   depth:u8 0..63, nibbles, which:le16, the first 8 bytes of each group's hash
 *   8 LIST     depth:u8 1..64, nibbles, count:varint 0..16, count * id:le64, rising
 *   9 END      count:varint 0..4096, count * id:le64: elements that the peer lacks and that are put
 *              off, because a newer one may be on its way
 *  10 DONE     the first 8 bytes of the root
 *
 *   nibbles = the first `depth` nibbles of a key, two to a byte, high first; an odd last low
 *             nibble is 0
 *
 * The initiator OPENs. The responder finds the roots equal; or decodes the sketch, and gives what
 * the other lacks and WANTs what it lacks itself; or sends CELLS without being asked again, each
 * batch a quarter of what went before (at least 32), until the initiator interrupts it: with WANT
 * and ELEMENTs when it has decoded, or with GROUPS of the root when too much differs. GROUPS are
 * answered where they differ: by ELEMENTs when the other has nothing there, by a LIST when the
 * answerer has at most 16 elements there, else by GROUPS one nibble deeper. LISTs are answered by
 * ELEMENTs and WANTs. Who has asked for nothing in its turn ends it with DONE instead of END; the
 * answer to DONE is DONE, unless there is something left to give: then it is that, and END. Every
 * path ends there: with the comparison of the roots.
 *
 * A collision of short ids, a lying or a hostile peer cost time and never correctness: roots that
 * still differ are said (SYNC_DIFFERENT), and the next session uses a fresh salt. No length, count,
 * depth or loop is without limit; what exceeds a capacity is left for the next session. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/output.h"
#include "org/index.h"

enum {
    SYNC_WANTS_MAX = 4096,          /* in one message */
    SYNC_CELLS_MAX = 4096,          /* in one message */
    SYNC_TURNS_MAX = 160,           /* of a peer: a descent takes one for each two levels */
    SYNC_WANTS_MESSAGES_MORE = 160, /* beyond what all elements need: one in each turn */
    SYNC_CELLS_MIN = 32,            /* the smallest batch; smaller differences fit the sketch */
    SYNC_LIST_MAX = 16,             /* from here on ids cost less than another level of hashes */
    SYNC_REFUSALS_MAX = 16,         /* elements of a peer that may be refused before we hang up */
    SYNC_MESSAGES_MAX = 1 << 22,    /* received in one session */
    SYNC_MESSAGE_SIZE_MAX = 1 << 18,
};

/* What is known about the peer when an element is given. */
struct sync_peer {
    const uint64_t *theirs; /* rising: ids that it has and we have not, as far as they are known */
    size_t count;
    const uint8_t *salt; /* of the ids */
    bool insist;         /* give() must not answer -EAGAIN */
};

/* What the session asks of the owner of the elements. */
struct sync_owner {
    struct index *index;
    /* Writes the element in this slot, or the part of it that *progress (0 at first) tells. Returns
     * 1 when there are more parts (and sets *progress), 0 after the last, -ENOENT when there is
     * nothing to send, -ENOSPC when it does not fit. */
    int (*give)(void *context, uint32_t slot, const struct sync_peer *peer, uint64_t *progress,
                struct output *o);
    /* Takes one part from a peer, and changes the index. Returns 0, or a negative errno when the
     * part is refused. */
    int (*take)(void *context, const uint8_t *bytes, size_t size);
    /* True for elements that go before others, because those stand on them. May be NULL. */
    bool (*first)(void *context, uint32_t slot);
    void *context;
};

struct sync_limits {
    uint32_t elements_max;   /* that the index can hold */
    uint32_t difference_max; /* that one session handles with cells, and may queue to give */
    uint32_t prefixes_max;   /* that one turn of a descent may ask about */
};

enum sync_state {
    SYNC_IDLE,
    SYNC_RUNNING,
    SYNC_EQUAL,     /* over: the roots are equal */
    SYNC_DIFFERENT, /* over: they are not; begin again with a fresh salt, later */
    SYNC_REFUSED,   /* over: the peer is busy */
    SYNC_FAILED,    /* over: the peer broke the protocol */
};

/* How the difference was found; for figures and tests. */
enum sync_path { SYNC_PATH_NONE, SYNC_PATH_SKETCH, SYNC_PATH_CELLS, SYNC_PATH_TRIE };

struct sync;

MUST_USE int sync_new(const struct sync_limits *limits, const struct sync_owner *owner,
                      struct sync **ret);
struct sync *sync_free(struct sync *s);

/* Begins as initiator; `fresh_salt` is NULL for the salt of the index. */
void sync_open(struct sync *s, const uint8_t *index_salt, const uint8_t *fresh_salt);

/* Begins as responder. With `allow_fresh` a fresh salt is accepted, which costs us a pass over all
 * elements: the caller allows it once a minute and peer. */
void sync_listen(struct sync *s, const uint8_t *index_salt, bool allow_fresh);

/* Takes one message. Returns 0, or -EBADMSG when the peer broke the protocol; the session is then
 * over. */
MUST_USE int sync_receive(struct sync *s, const uint8_t *bytes, size_t size);

/* Writes the next message when there is one to send now: to be called whenever the transport has
 * room for SYNC_MESSAGE_SIZE_MAX bytes. Returns 1, or 0 when it is the peer's turn. */
MUST_USE int sync_send(struct sync *s, struct output *o);

enum sync_state sync_state(const struct sync *s);
enum sync_path sync_path(const struct sync *s);
