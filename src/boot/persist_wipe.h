/* The factory reset: nothing that was on the encrypted disk can be read any more.
 *
 *   1. the header's label says that it is being wiped
 *   2. the TPM is given back, which ends what is sealed in it
 *   3. the mark behind the area of headers: what follows may leave anything in it
 *   4. keyslots, header and their whole area are overwritten
 *   5. a new disk is made, as at a first start; its making wipes the mark
 *
 * A power cut before 2 leaves a disk that opens, and in it the request, which the next start finds.
 * After 2 the TPM gives nothing; then the label alone says what to do, and no key is asked for.
 * After 3 the disk is one that is being made.
 *
 * Anybody can write a label. So it counts only when the TPM belongs to no disk, which takes the key
 * of this one or a hand at the firmware's menu; a new disk would be made then in any case. */
#pragma once

#include "boot/opening.h"
#include "boot/stage1.h"

/* 1 to 4, for a disk that is open with its key, but not mounted. Frees the volume and the key. */
MUST_USE int persist_wipe(struct stage1 *s, const char *device, struct opening *o,
                          struct failure *f);

/* 3 and 4 for a disk that says 1 of itself, and that the TPM has nothing for any more. */
MUST_USE int persist_wipe_resume(struct stage1 *s, const char *device, struct failure *f);
