/* Whether a generation that was just written proves itself: the state between starts, and what to
 * do at each of them. Pure; docs/reference/slots.md has it in words.
 *
 * A trial begins when a slot is to be started once (BootNext). The slot that comes up then asks
 * trial_decide():
 *
 *     the slot under trial      it is judged; good ends the trial, bad ends it with a reason
 *     another slot, a reason    the trial failed: it is not taken again unless told to
 *     another slot, a crash     likewise: its kernel panicked, or its watchdog bit
 *     another slot, nothing     it was interrupted (power, reset): tried again, twice at most
 *
 * Without a trial, a slot that is not the confirmed one was reached because the confirmed one
 * failed, and takes its place. And without the state itself (it is on the encrypted disk) a slot
 * that firmware does not start by itself is on trial, unless a reason tells why the other one
 * failed: it must not stay. What firmware variables say is a hint of anybody; it decides about
 * trying again and about nothing that lets an unsigned or older generation start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

#define TRIAL_PATH "/var/lib/broch/update/state.json"

/* Whoever reads the state to change it, or changes the slots' boot entries, or writes the other
 * slot, holds this lock (sys/lockfile.h), reads after taking it, and waits for nothing else
 * meanwhile: no network, no service, no person. The verdict of a start and `broch update` are two
 * programs that would undo each other's work. */
#define TRIAL_LOCK "/run/broch/update-state.lock"

enum {
    TRIAL_NAME_SIZE = 129,
    TRIAL_REASON_SIZE = 257, /* EFIVARS_REASON_MAX and a zero */
    TRIAL_REFUSED_MAX = 16,  /* the oldest goes first */
    TRIAL_BOOT_SIZE = 37,    /* a boot id, and a zero */
    TRIAL_TRIES_MAX = 3,     /* the first start, and two after interruptions */
    TRIAL_FILE_MAX = 65536,
};

enum trial_result { TRIAL_NONE, TRIAL_GOOD, TRIAL_FAILED, TRIAL_FELL_BACK, TRIAL_RESULT_MAX_ };

struct trial {
    bool pending;
    char slot;                        /* 'A' or 'B': under trial */
    char generation[TRIAL_NAME_SIZE]; /* empty: whatever the slot holds, which somebody chose */
    unsigned tries;                   /* starts that were ordered */
    char ordered[TRIAL_BOOT_SIZE]; /* id of the start in which the last one was; empty: unknown */

    /* How the last one ended. */
    enum trial_result last;
    char last_slot;
    char last_generation[TRIAL_NAME_SIZE];
    char last_reason[TRIAL_REASON_SIZE]; /* printable ASCII; empty when it went well */

    size_t refused_count;
    char refused[TRIAL_REFUSED_MAX][TRIAL_NAME_SIZE]; /* generations that failed */
};

#define TRIAL_INIT                                                                                 \
    {                                                                                              \
        .pending = false                                                                           \
    }

/* "none", "good", "failed", "fell-back". */
const char *trial_result_name(enum trial_result result);

/* What a start knows. */
struct trial_boot {
    char slot;              /* that runs */
    const char *generation; /* that runs */
    bool confirmed;         /* it is the one that firmware starts by itself */
    bool remembers;         /* the state could be read: the encrypted disk is open */
    const char *reason;     /* what firmware keeps of the last failure, printable; "" for none */
    const char *id;         /* of this start, trial_boot_id() */
    const char *crash;      /* code and words of how the start before this one ended, printable; ""
                             * when nothing shows it, or when that was a start of this slot */
};

enum trial_act {
    TRIAL_ACT_NOTHING,
    TRIAL_ACT_JUDGE,   /* it is on trial: judge it */
    TRIAL_ACT_RETRY,   /* it was interrupted: start it once more */
    TRIAL_ACT_CONFIRM, /* the other slot failed: this one takes its place */
};

/* The kernel's id of the running start; "" when it cannot be read. */
void trial_boot_id(char ret[static TRIAL_BOOT_SIZE]);

/* Decides, and changes *t to what has to be kept before it is done. A trial that was ordered in
 * this very start has not been started yet, whoever asks; where this start cannot be told from
 * another one, nothing is done about it. */
enum trial_act trial_decide(struct trial *t, const struct trial_boot *boot);

/* A start of `slot` is ordered in the start `id`; "" for whatever it holds. */
void trial_begin(struct trial *t, char slot, const char *generation, const char *id);

/* The verdict about the trial that is pending; `reason` is why it is bad, NULL when it is good. */
void trial_end(struct trial *t, const char *reason);

/* Never taken again, and taken again. */
void trial_refuse(struct trial *t, const char *generation);
bool trial_is_refused(const struct trial *t, const char *generation);
void trial_forgive(struct trial *t, const char *generation);

/* The file: one JSON object, schema 1. A file that is not there is TRIAL_INIT; one of another form
 * is CODE_UPDATE_STATE. Written by rename and synced. */
MUST_USE int trial_parse(const void *bytes, size_t size, struct trial *ret, struct failure *f);
MUST_USE int trial_format(const struct trial *t, struct text *ret);
MUST_USE int trial_read(const char *path, struct trial *ret, struct failure *f);

/* Waits for the lock, then reads. The caller closes *ret_lock_fd once all of it is done. */
MUST_USE int trial_take(const char *path, const char *lock, struct trial *ret, int *ret_lock_fd,
                        struct failure *f);
MUST_USE int trial_write(const char *path, const struct trial *t, struct failure *f);
