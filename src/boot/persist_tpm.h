/* The TPM's part in the encrypted disk, where the volume key is at hand. None of it stops a boot:
 * what does not work is noted, and the recovery key stays. */
#pragma once

#include "boot/opening.h"
#include "boot/stage1.h"

/* The volume key, by what the TPM gave in this start; that also says what the disk has to be.
 * CODE_PERSIST_BINDING: it is another one. The secret is gone afterwards. */
MUST_USE int persist_tpm_unlock(struct stage1 *s, struct opening *o, struct failure *f);

/* Gives the disk a TPM route for this machine as it is now, in place of all that it had. `coming`
 * is NULL, or the PCR 7 that a second route is sealed for, behind the first. After a power cut the
 * former routes are there, or the new ones, or both. CODE_REQUEST_TPM without a TPM or Secure Boot;
 * what the TPM and the header say otherwise. */
MUST_USE int persist_tpm_renew(struct stage1 *s, const struct opening *o, const uint8_t *coming,
                               struct failure *f);

/* The same for one route, noted when it fails. Without a TPM nothing happens. */
void persist_tpm_enroll(struct stage1 *s, const struct opening *o);

/* After the disk was opened by a route that was not the first: the change that it was sealed for
 * has come, and the routes are made anew for the machine as it is. Not during a trial, whose end
 * may be the former state. */
void persist_tpm_settle(struct stage1 *s, const struct opening *o);

/* Makes sure that the TPM is ours (owner and lockout authorization, epoch index), unless a note in
 * the filesystem `fd` says that it is. */
void persist_tpm_own(struct stage1 *s, int fd, const struct opening *o);

/* Raises the TPM's epoch; one that is as high or higher stays. CODE_REQUEST_TPM; those of
 * seal_epoch_raise(). */
MUST_USE int persist_tpm_raise(struct stage1 *s, const struct opening *o, uint64_t epoch,
                               struct failure *f);

/* Gives the TPM back: what is sealed is gone, also for a header that somebody has a copy of. Noted
 * when it fails. */
void persist_tpm_release(struct stage1 *s, const struct opening *o);
