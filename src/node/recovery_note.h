/* The machine's note that somebody typed the recovery key of its disk back:
 *
 *     {"schema":1,"confirmed":"<UUID of the disk>"}
 *
 * It holds for one disk. Stage 1 takes it away before it makes another key. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

#define RECOVERY_NOTE_PATH "/var/lib/broch/recovery.json"

/* True when these bytes are such a note for the disk with this UUID. Pure. */
MUST_USE bool recovery_note_holds(const void *bytes, size_t size, const char *uuid);

/* Reads the note. One that is not there, or is none, is no confirmation. */
MUST_USE bool recovery_note_read(const char *path, const char *uuid);

MUST_USE int recovery_note_write(const char *path, const char *uuid, struct failure *f);
