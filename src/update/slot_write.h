/* A generation into a slot: the file system anew, the system image, the boot file last and by
 * rename, and then everything read back from the disk itself.
 *
 * The caller has made sure that nothing starts the slot meanwhile (its boot entry is gone) and that
 * it is neither the running nor the confirmed one. Wherever this ends early, the slot has no
 * linux.efi under its name. Runs as root; the mounts are in a mount namespace of the calling
 * process, so they are gone with it. */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "sys/progress.h"
#include "trust/digest.h"

struct slot_file {
    const char *path; /* where it is now; borrowed */
    uint64_t size;
    struct digest digest;
};

struct slot_write {
    const char *device;   /* "/dev/vda2" */
    char letter;          /* 'A' or 'B' */
    const char *mount_at; /* an empty folder, made when missing */
    struct slot_file uki;
    struct slot_file image;
};

/* Steps with progress: "format", "write", "read back". CODE_UPDATE_SLOT, CODE_UPDATE_HASH when a
 * file is not what it should be, CODE_UPDATE_READ_BACK. */
MUST_USE int slot_write(const struct slot_write *request, struct progress *progress,
                        struct failure *f);

/* Copies a file while summing it: what is written is what was summed. `to` is made anew and synced.
 * CODE_UPDATE_HASH for another size or sum. */
MUST_USE int slot_copy(const struct slot_file *file, const char *to, struct progress *progress,
                       struct failure *f);

/* Compares a file with what it should be. CODE_UPDATE_READ_BACK. */
MUST_USE int slot_compare(const struct slot_file *file, const char *at, struct progress *progress,
                          struct failure *f);
