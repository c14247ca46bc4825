/* How often a slot may fail to come up, and what then: the variable BrochAttempts and the policy
 * about it, without their I/O. Pure. docs/reference/slots.md has the table in words.
 *
 * Stage 1 counts its starts for each slot, and marks a slot that failed; the verdict of the running
 * system (src/update) begins anew. The variable names the two slots of a disk by their partitions'
 * GUIDs, because stage 1 has to decide before it sees a disk:
 *
 *     1 byte    ATTEMPTS_SCHEMA
 *     2 times   16 bytes GUID as on the disk, 1 byte count, 1 byte failed (0 or 1); A, then B
 *
 * Anything else (an older form, a damaged one) counts as nothing known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    ATTEMPTS_MAX = 2, /* starts of a slot without a verdict */
    ATTEMPTS_SLOTS = 2,
    ATTEMPTS_SCHEMA = 1,
    ATTEMPTS_GUID_SIZE = 16,
    ATTEMPTS_SIZE = 1 + ATTEMPTS_SLOTS * (ATTEMPTS_GUID_SIZE + 2),
};

struct attempts_slot {
    uint8_t guid[ATTEMPTS_GUID_SIZE]; /* zeros: not known, or started from no partition */
    uint8_t count;                    /* starts since the last verdict, this one among them */
    bool failed;                      /* nothing starts it by itself any more */
};

struct attempts {
    struct attempts_slot slots[ATTEMPTS_SLOTS];
};

/* Of any bytes; what is no value of the form above gives zeros. */
void attempts_decode(const void *bytes, size_t size, struct attempts *ret);
void attempts_encode(const struct attempts *a, uint8_t ret_bytes[static ATTEMPTS_SIZE]);

/* The place of this slot; -1 when it is not there. */
int attempts_find(const struct attempts *a, const uint8_t guid[static ATTEMPTS_GUID_SIZE]);

/* True when both slots have a GUID: then the first one is A, the second one B. */
bool attempts_is_pair(const struct attempts *a);

/* What a start of stage 1 knows. */
struct attempts_boot {
    struct attempts all;
    size_t own;           /* the slot that was started */
    bool known;           /* there is a variable store, and it took the new count: what was read
                           * is in `all` either way */
    bool other_has_entry; /* the firmware can be told to start the other slot */
    bool redirected;      /* this slot failed before, and is only passed through */
    bool on_trial;        /* the firmware starts the other slot by itself, and this one for once */
    bool armed;           /* the firmware has been told to start the other slot next */
};

enum attempts_start {
    ATTEMPTS_GO,       /* counted; go on once it is written */
    ATTEMPTS_TOO_MANY, /* the start is a failure: enough came before it without a verdict */
    ATTEMPTS_REDIRECT, /* this slot failed, the other one has begun to start: it gets another try */
};

/* Finds or makes the place of the slot that was started (zeros: from no partition), `own` of `all`.
 * Whoever is not in the list begins a list of its own. Returns the GUID of the other slot, borrowed
 * from *boot, or NULL when there is none: the caller then looks for its entry. */
const uint8_t *attempts_place(struct attempts_boot *boot,
                              const uint8_t guid[static ATTEMPTS_GUID_SIZE]);

/* Counts this start. `all`, `own` and `other_has_entry` have to be there. */
MUST_USE enum attempts_start attempts_start(struct attempts_boot *boot);

/* After ATTEMPTS_GO: true when this start is the slot's last one without a verdict and the other
 * slot can take over. The firmware is told now, and told otherwise by the verdict: dm-verity, a
 * panic and a watchdog restart the machine without asking anybody. */
bool attempts_is_last(const struct attempts_boot *boot);

/* True when this start can end in the other slot, which has not failed. On trial that needs no
 * count: the firmware starts the other one by itself. */
bool attempts_can_leave(const struct attempts_boot *boot);

enum attempts_ending {
    ATTEMPTS_REBOOT, /* try this slot once more */
    ATTEMPTS_OTHER,  /* start the other slot next */
    ATTEMPTS_HALT,   /* wait for a person, whose next try is a fresh one */
};

/* How a failed start ends, with `boot->all` changed to what has to be written. Without a store a
 * reboot could go on for ever, so it halts; but a slot on trial is not started again by itself, and
 * a plain restart leads to the other one. Each slot fails at most once between two verdicts:
 * however starts end, the machine comes to rest. */
MUST_USE enum attempts_ending attempts_after_failure(struct attempts_boot *boot);

/* Forgets counts and marks; the GUIDs stay. */
void attempts_forget(struct attempts *a);
