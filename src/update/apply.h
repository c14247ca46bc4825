/* The steps of an update, in their order; each may be done again after a failure or a power cut.
 * What is seen of them is progress (sys/progress.h). Root only; one at a time, by the caller's
 * lock.
 *
 *     find      the release is judged by its manifest (release.h) and by the room there is
 *     fetch     both files, into /var/lib/broch/update (stage.h)
 *     format, write, read back
 *               the slot that neither runs nor is confirmed (slot_write.h), its boot entry gone
 *     offer     the trial is written down (trial.h), then its entry, and BootNext (confirm.h)
 *
 * The last two lines hold the lock of the state; fetching, which may take hours, does not. */
#pragma once

#include "base/failure.h"
#include "sys/progress.h"
#include "trust/manifest.h"
#include "update/release.h"
#include "update/slot_device.h"
#include "update/source.h"
#include "update/stage.h"
#include "update/trial.h"

struct apply {
    struct release_machine machine; /* borrows its texts */
    const char *running_uuid;       /* of the running slot; empty: none */
    const char *efivars;            /* the mounted efivarfs */
    const char *mount_at;           /* where the slot is mounted meanwhile */
    const char *stage_root;
    const char *trial_path; /* what is kept between starts, and its lock (trial.h) */
    const char *trial_lock;
    struct progress *progress;

    /* Filled on the way. */
    struct source source;
    struct slot_devices slots;
    struct stage stage;
    struct manifest manifest;
    bool believed; /* the manifest is signed and understood */
};

void apply_done(struct apply *apply);

/* Judges what is offered at `from`; nothing is changed. The manifest is set when `believed`. */
MUST_USE int apply_find(struct apply *apply, const char *from, struct failure *f);

/* After apply_find(): makes the other slot hold the release, and the next start one of it. */
MUST_USE int apply_install(struct apply *apply, struct failure *f);
