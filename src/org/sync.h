/* Two nodes find out what differs between their indexes, and give each other what is missing.
 *
 * One session, two roles. A message begins with a byte that says what it is; below 64 it is an
 * element, as the owner's give() wrote it. A *turn* is a sequence of messages that ends with END or
 * DONE. Ids are short ids under the session's salt. Roots are cut to 16 bytes.
 *
 *   64 ASK         root:16: are we equal?
 *   65 OPEN        root:16, count:varint, sketch:512
 *   66 OPEN_FRESH  the same, then salt:16
 *   67 EQUAL       (nothing): the roots are equal
 *   68 REFUSED     (nothing): busy, or no fresh salt again so soon
 *   69 ESTIMATE    count:varint, 64 bytes: the sketch does not do; how large our difference may be
 *   70 CELLS       first:varint, count:varint 1..4096, cells (symbol.h)
 *   71 SUMS        count:varint 65..384, the sums of the sketch from 64 on, le64 each
 *   72 TOO_FEW     (nothing): the sums do not do either
 *   73 RANKS       ranks (ranks.h), of elements to be given, among all ids of the receiver
 *   74 WANT        count:varint 1..4096, count * lower half of an id:le32, rising
 *   75 GROUPS      depth:u8 0..63, nibbles, which:le16, the first 8 bytes of each group's hash
 *   76 LIST        depth:u8 1..64, nibbles, count:varint 0..16, count * id:le64, rising
 *   77 END         nothing, or count:varint 1..4096, count * id:le64: elements that the peer lacks
 *                  and that are put off, because a newer one may be on its way
 *   78 DONE        the first 8 bytes of the root
 *
 *   nibbles = the first `depth` nibbles of a key, two to a byte, high first; an odd last low
 *             nibble is 0
 *
 * The initiator OPENs. (Who is asked and not equal OPENs in the asker's place.) The responder finds
 * the roots equal; or decodes the sketch, and gives what the other lacks and names by RANKS what it
 * lacks itself; or else sends an ESTIMATE and then CELLS without being asked again, each batch a
 * quarter of what went before, until the initiator interrupts it:
 *
 *  - at once with SUMS, when the difference seems small enough for a larger sketch. The responder
 *    goes on as if the first had sufficed, or says TOO_FEW and sends CELLS as before;
 *  - with RANKS and elements when it has decoded the cells;
 *  - with GROUPS of the root when too much differs.
 *
 * A rank is a place among the ids that the receiver had when it sent OPEN or ESTIMATE, in rising
 * order: who has found the difference knows both sets. GROUPS are answered where they differ: by
 * elements when the other has nothing there, by a LIST when the answerer has at most 16 elements
 * there, else by GROUPS one nibble deeper. LISTs are answered by elements and WANTs. Who has asked
 * for nothing in its turn ends it with DONE instead of END; the answer to DONE is EQUAL or DONE,
 * unless there is something left to give: then it is that, and END. Every path ends there: with the
 * comparison of the roots.
 *
 * The estimate is 64 numbers modulo 256. With z = mix(id ^ 0x62726f6368), mix being that of
 * symbol.h, number j < 48 is the sum over the ids of +1 where bit j of z is set and of -1 where it
 * is not; number j >= 48 the same with bit j of mix(z), over the ids whose bits 58 to 63 of z are
 * 0. The square of what two nodes' numbers differ by is on the average the size of their
 * difference, or a 64th of it. The initiator sends 1.7 times as many sums as it expects
 * differences, and at least 88, if those are at most 384.
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
    SYNC_CELLS_FIRST = 32,          /* the first batch; smaller differences fit the sketch */
    SYNC_CELLS_MIN = 16,            /* the smallest batch after it */
    SYNC_ESTIMATE_FINE = 48,        /* numbers that see every id */
    SYNC_ESTIMATE_SIZE = 64,        /* and those that see one of 64 */
    SYNC_SUMS_MIN = 88,
    SYNC_ELEMENT_KINDS = 64,     /* first bytes of elements are below */
    SYNC_LIST_MAX = 16,          /* from here on ids cost less than another level of hashes */
    SYNC_REFUSALS_MAX = 16,      /* elements of a peer that may be refused before we hang up */
    SYNC_MESSAGES_MAX = 1 << 22, /* received in one session */
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
    /* Writes the element in this slot, or the part of it that *progress (0 at first) tells. What it
     * writes is a message, and its first byte is below SYNC_ELEMENT_KINDS. Returns
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
enum sync_path {
    SYNC_PATH_NONE,
    SYNC_PATH_SKETCH,
    SYNC_PATH_SUMS,
    SYNC_PATH_CELLS,
    SYNC_PATH_TRIE,
};

struct sync;

MUST_USE int sync_new(const struct sync_limits *limits, const struct sync_owner *owner,
                      struct sync **ret);
struct sync *sync_free(struct sync *s);

/* Begins as initiator; `fresh_salt` is NULL for the salt of the index. */
void sync_open(struct sync *s, const uint8_t *index_salt, const uint8_t *fresh_salt);

/* Asks whether the roots are equal, in 17 bytes; when they are not, the session goes on with the
 * peer as initiator. */
void sync_ask(struct sync *s, const uint8_t *index_salt, bool allow_fresh);

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
