/* The factory reset: nothing that was on the encrypted disk can be read any more.
 *
 *   1. the header's label says that it is being wiped: from here on every start goes on with this
 *   2. the TPM is given back, which ends what is sealed in it
 *   3. the mark behind the area of headers: what follows may leave anything in it
 *   4. keyslots, header and their whole area are overwritten
 *   5. a new disk is made, as at a first start; its making wipes the mark
 *
 * A power cut before 1 leaves the disk as it was, with the request. After 1 the next start opens it
 * by the TPM once more, only for the TPM's owner authorization; when the TPM gives nothing, 2 was
 * done. After 3 the disk is one that is being made. */
#pragma once

#include "boot/opening.h"
#include "boot/stage1.h"

/* 1 to 4, for a disk that is open with its key, but not mounted. Frees the volume and the key. */
MUST_USE int persist_wipe(struct stage1 *s, const char *device, struct opening *o,
                          struct failure *f);

/* The same for a disk that says 1 of itself, and is not open; *o is empty, and empty again
 * afterwards. */
MUST_USE int persist_wipe_resume(struct stage1 *s, const char *device, struct opening *o,
                                 struct failure *f);
