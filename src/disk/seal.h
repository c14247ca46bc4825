/* A secret that the TPM gives back only to a generation that is allowed here.
 *
 * Sealed object: below the storage root key at 0x81000001, fixedTPM | fixedParent | noDA, without
 * an authorization value. Its policy is PolicyAuthorize(PCR-policy key, no policyRef), then
 * PolicyPCR(sha256: 7, 12), with PCR 12 all zeros. What the key approved is PolicyPCR(sha256: 11)
 * and PolicyNV(epoch index <= epoch of the generation). docs/reference/tpm.md has the whole.
 *
 * The TPM must be open (sys/tpm.h). Every function flushes what it loaded, on every way out. They
 * block, and the library behind them allocates. CODE_TPM_COMMAND: the TPM failed, which says
 * nothing about what is sealed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/secret.h"
#include "disk/pcrsig.h"

enum {
    SEAL_CONTENT_SIZE = 64,
    SEAL_BLOB_MAX = 1024,
    SEAL_TICKET_MAX = 96,
    SEAL_PCR_SIZE = 32,
    SEAL_COMMANDS = 8,           /* of seal_open() with a good ticket */
    SEAL_COMMANDS_NO_TICKET = 11 /* without one */
};

/* What is stored: a version, PCR 7 and key that it is sealed for, public halves, and the private
 * half that only this TPM can read. No secret. */
struct seal_blob {
    size_t size;
    uint8_t bytes[SEAL_BLOB_MAX];
};

/* "The PCR-policy key signed this policy", in words of this TPM alone, until it is cleared: saves
 * the three commands that check the signature. No secret; a wrong one is refused by the TPM, and
 * the long way is taken. These bytes are the file EFI/broch/ticket. */
struct seal_ticket {
    size_t size; /* 0: none */
    uint8_t bytes[SEAL_TICKET_MAX];
};

/* Makes the TPM ours, step by step, and any number of times:
 * - storage root key at 0x81000001 (ECC P-256, template of the TCG's provisioning guidance) when
 *   there is none; another kind of key there is CODE_TPM_OWNED;
 * - owner and lockout authorization (32 bytes each) when they are empty. When they are set and not
 *   ours: CODE_TPM_OWNED, and nothing is changed;
 * - the epoch index with value `epoch`. It is made anew when owner authorization was empty (anybody
 *   may have made it) or when its public area is another one, else it is left as it is. */
MUST_USE int seal_provision(const struct secret *owner, const struct secret *lockout,
                            uint64_t epoch, struct failure *f);

/* What seal_provision() does but for the authorizations, for a TPM without an owner: storage root
 * key and epoch index. What is sealed after it opens; the owner comes when the disk that its
 * authorization follows from is finished. CODE_TPM_OWNED when there is an owner. */
MUST_USE int seal_prepare(uint64_t epoch, struct failure *f);

/* Seals `content` (SEAL_CONTENT_SIZE bytes) for machines states with this PCR 7, now or later: no
 * PCR is read. CODE_UNSEAL_TPM when there is no storage root key. */
MUST_USE int seal_make(const struct seal_policy *policy, const uint8_t pcr7[static SEAL_PCR_SIZE],
                       const struct secret *content, struct seal_blob *ret, struct failure *f);

/* Gives the content back. `ticket` may be NULL. *ret_ticket gets a new one when the given one was
 * not good, else size 0. Refusals:
 * CODE_UNSEAL_BLOB   the blob is malformed or damaged
 * CODE_UNSEAL_KEY    it is sealed for generations of another PCR-policy key
 * CODE_UNSEAL_TPM    it belongs to another TPM, or to this one before it was cleared
 * CODE_UNSEAL_NV     the epoch index is missing, or is not ours
 * CODE_UNSEAL_EPOCH  the TPM's epoch is above the generation's
 * CODE_UNSEAL_BANK   the TPM has no SHA-256 bank
 * CODE_UNSEAL_PCR11  nobody signed this PCR 11 with this epoch
 * CODE_UNSEAL_PCR7   PCR 7 is not the one that it is sealed for, or PCR 12 is not zero
 * The TPM decides; what is read afterwards, to tell refusals apart, decides nothing. */
MUST_USE int seal_open(const struct seal_policy *policy, const struct seal_blob *blob,
                       const struct seal_ticket *ticket, struct secret *ret_content,
                       struct seal_ticket *ret_ticket, struct failure *f);

/* PCR 7 that the blob is sealed for, and whether it is sealed for this policy's key. Reads the blob
 * only. CODE_UNSEAL_BLOB. */
MUST_USE int seal_describe(const struct seal_blob *blob, const struct seal_policy *policy,
                           uint8_t ret_pcr7[static SEAL_PCR_SIZE], bool *ret_key_fits,
                           struct failure *f);

/* Raises the epoch; one that is as high or higher stays. CODE_UNSEAL_NV, CODE_TPM_OWNED. */
MUST_USE int seal_epoch_raise(const struct secret *owner, uint64_t epoch, struct failure *f);

/* Reads the epoch. CODE_UNSEAL_NV. */
MUST_USE int seal_epoch_read(uint64_t *ret, struct failure *f);

/* Gives the TPM back: the index is gone, both authorizations are empty. What is sealed stays
 * sealed. Does what is left to do when it was interrupted. CODE_TPM_OWNED. */
MUST_USE int seal_release(const struct secret *owner, const struct secret *lockout,
                          struct failure *f);

/* A ticket for a policy, also for one that is not running (the running system, through
 * TPM_DEVICE_MANAGED). CODE_UNSEAL_PCR11: the signature does not verify. */
MUST_USE int seal_ticket_make(const struct seal_policy *policy, struct seal_ticket *ret,
                              struct failure *f);
