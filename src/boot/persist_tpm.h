/* The TPM's part in the encrypted disk, where the volume key is at hand. None of it stops a boot:
 * what does not work is noted, and the recovery key stays. */
#pragma once

#include "boot/stage1.h"
#include "disk/volume.h"

/* Gives the disk a TPM route for this machine as it is now, in place of the one it had. Needs a
 * TPM, Secure Boot and the PCRs in the facts; without them nothing happens. */
void persist_tpm_enroll(struct stage1 *s, struct volume *v, const struct binding *b,
                        const struct secret *key);

/* Makes sure that the TPM is ours (owner and lockout authorization, epoch index), unless a note in
 * the filesystem `fd` says that it is. */
void persist_tpm_own(struct stage1 *s, int fd, const char *uuid, const struct secret *key);
