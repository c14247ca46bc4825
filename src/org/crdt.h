/* The fold of one key: from the set of its valid entries to what a reader sees.
 *
 * An entry *covers* another of the same key when its author had seen it: the other lies in its
 * context, or earlier in its own chain. Nothing else orders entries; stamps only choose which of
 * several concurrent values a reader gets. The result depends on the set alone, not on the order in
 * which entries are visited.
 *
 *   SET      seen unless covered by a SET of the same field or by a DELETE. Concurrent values all
 *            stay; the winner has the highest stamp, then author, instance, seq.
 *   DELETE   removes the SETs that it covers. One that nothing covers while a SET is still seen was
 *            concurrent with an edit: the document stays and the conflict shows.
 *   ADD      every distinct (field, value), for ever.
 *   RAISE    the largest value of the field, for ever.
 *   others   no effect here; they belong to a later version. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/entry.h"

enum { CRDT_COMPARED_MAX = 2048 }; /* entries of a key that are compared with one another */

/* One valid entry and its place. Views; valid as long as the source says. */
struct crdt_item {
    const uint8_t *author;
    uint64_t instance;
    uint64_t seq;
    struct entry entry;
};

/* The entries of one key, in any order. at() is asked several times for each index. */
struct crdt_source {
    void (*at)(const void *context, size_t index, struct crdt_item *ret);
    const void *context;
    size_t count;
};

struct crdt_value {
    const uint8_t *author;
    const uint8_t *value;
    uint64_t instance;
    uint64_t seq;
    uint64_t stamp;
    uint32_t field;
    uint32_t value_size;
    uint8_t operation; /* ENTRY_SET, ENTRY_ADD or ENTRY_RAISE */
    bool winner;       /* of its (operation, field) */
    bool conflict;     /* another seen value of this field has other bytes */
};

/* What a reader sees: values sorted by operation, field, winner first. */
struct crdt_document {
    struct crdt_value *values; /* the caller's */
    size_t capacity;
    size_t count;
    bool exists;   /* some SET is seen */
    bool conflict; /* of any field, or an edit concurrent with a delete */
    bool
        truncated; /* more values than capacity: the lowest ranked of the last fields are missing */
};

/* Scratch for the covers; a fold that needs more than it has compares entries pairwise instead:
 * slower, same result. Allocated once. */
struct crdt_scratch;

MUST_USE int crdt_scratch_new(uint32_t covers_max, struct crdt_scratch **ret);
struct crdt_scratch *crdt_scratch_free(struct crdt_scratch *scratch);

/* Folds. ret->values and ret->capacity are the caller's; the rest is set. */
void crdt_fold(struct crdt_scratch *scratch, const struct crdt_source *source,
               struct crdt_document *ret);

/* For a checkpoint: calls mark() with the index of each entry without which readers would see
 * something else. What is covered goes, and a DELETE that has nothing left to show a conflict with.
 * Of each author's ADDs of one value, and RAISEs of one field, the best stays, so that the
 * revocation of another author takes nothing away. Unknown operations stay. The caller knows that
 * everything these entries had seen is among them. */
void crdt_needed(struct crdt_scratch *scratch, const struct crdt_source *source,
                 void (*mark)(void *context, size_t index), void *context);
