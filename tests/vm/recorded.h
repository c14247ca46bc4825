/* The life of a machine, recorded: every write to its disk and to its variable store in one order,
 * with the TPM's state in between (vm/block_journal.h), and machines made of what a power cut
 * leaves at any moment of it.
 *
 * Like those of fixture.h, these functions fail the running test by themselves unless they return
 * an int. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include "vm/block_journal.h"

enum { RECORDED_MARKS_MAX = 8 };

struct recorded {
    struct place *place; /* the machine, for as long as it is recorded; and who fails */
    pid_t server;
    char *folder; /* with the disk and the variables as they were before, the journal, the marks */
    struct block_journal journal;
    size_t mark_count;
    uint64_t marks[RECORDED_MARKS_MAX]; /* sizes of the journal */
};

#define RECORDED_NONE                                                                              \
    {                                                                                              \
        .journal = BLOCK_JOURNAL_NONE                                                              \
    }

/* Makes the machine of `place` (not opened yet) one that is recorded from its next start on. The
 * record lies in `folder`. */
MUST_USE int recorded_start(struct recorded *r, struct place *place, const char *folder);

/* A new mark: whatever the machine waited for before this call is in the journal before it. */
void recorded_mark(struct recorded *r);

/* Cuts the power, keeps the marks and opens the journal. */
MUST_USE int recorded_end(struct recorded *r);

/* The same after a former run, whose record of the same generations is in this folder. -ENOENT:
 * there is none. */
MUST_USE int recorded_open(struct recorded *r, struct place *place, const char *folder);
void recorded_done(struct recorded *r);

/* How many entries there are before a mark. */
size_t recorded_count(const struct recorded *r, size_t mark);

/* The path of a file of the record, valid as those of place_path(). */
#define RECORDED_DISK      "base.raw"
#define RECORDED_VARIABLES "base.fd"
const char *recorded_path(const struct recorded *r, const char *name);

/* --- What a power cut leaves --- */

enum tear {
    TEAR_NONE,
    TEAR_HALF, /* of the last write to the disk, if it is the last entry, only the first half */
    TEAR_LOST, /* nothing of what was written to the disk behind its last flush */
};

struct cut {
    size_t count; /* entries that were answered before */
    enum tear tear;
};

/* The number of bytes of a write that a torn one leaves: half of its sectors. */
uint64_t recorded_half(const struct block_journal_entry *entry);

/* How many of the entries reach the disk: without those that `tear` loses as a whole. */
size_t recorded_durable(const struct recorded *r, struct cut cut);

/* A new place with that machine, switched off; ends with place_teardown(). */
struct place *recorded_place(const struct recorded *r, struct cut cut);
