/* A secret that the TPM gives back only to a generation that is allowed here.
 *
 * It is the content of an NV index (ownerwrite | policyread | no_da), at one of SEAL_PLACES places.
 * Reading takes PolicyAuthorize(PCR-policy key, no policyRef), then PolicyPCR(sha256: 7, 12), with
 * PCR 12 all zeros. What the key approved is PolicyPCR(sha256: 11) and PolicyNV(epoch index <=
 * epoch of the generation). Writing, and making an index there, take owner authorization: so the
 * secret is that of the one disk whose volume key this authorization follows from. An object sealed
 * below the storage root key would be as hard to read, but anybody could make one, for a disk of
 * his own. docs/reference/tpm.md has the whole.
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
    SEAL_CONTENT_SIZE = 96,
    SEAL_BLOB_MAX = 256,
    SEAL_TICKET_MAX = 96,
    SEAL_PCR_SIZE = 32,
    SEAL_PLACES = 4,            /* two routes of the disk, and two that take their place */
    SEAL_COMMANDS = 6,          /* of seal_open() with a good ticket */
    SEAL_COMMANDS_NO_TICKET = 9 /* without one */
};

/* A set of places: bit n is place n. */
enum { SEAL_NO_PLACE = 0 };

/* What is stored on the disk: a version, the place in the TPM, and what it is sealed for. No
 * secret, and nothing that the TPM would not refuse when it is another disk's. */
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
 * - the epoch index with value `epoch`. It is made anew when owner authorization was empty (anybody
 *   may have made it) or when its public area is another one, else it is left as it is;
 * - when owner authorization was empty, every place but those in `keep` is emptied: anybody may
 *   have put something there. What is kept has opened the disk, or was just made for it;
 * - owner and lockout authorization (32 bytes each) when they are empty, the owner's after all
 *   that. When they are set and not ours: CODE_TPM_OWNED, and nothing is changed. */
MUST_USE int seal_provision(const struct secret *owner, const struct secret *lockout,
                            uint64_t epoch, unsigned keep, struct failure *f);

/* What seal_provision() does but for the authorizations, for a TPM without an owner: storage root
 * key and epoch index. What is sealed after it opens; the owner comes when the disk that its
 * authorization follows from is finished. CODE_TPM_OWNED when there is an owner. */
MUST_USE int seal_prepare(uint64_t epoch, struct failure *f);

/* Where and for what something is sealed. */
struct seal_target {
    const struct seal_policy *policy;
    const uint8_t *pcr7;        /* SEAL_PCR_SIZE bytes, of now or later: no PCR is read */
    unsigned place;             /* below SEAL_PLACES; what is there is lost */
    const struct secret *owner; /* owner authorization, if the TPM has one */
};

/* Seals `content` (SEAL_CONTENT_SIZE bytes). CODE_UNSEAL_TPM when there is no storage root key,
 * CODE_TPM_OWNED when owner authorization is set, and not to this value. */
MUST_USE int seal_make(const struct seal_target *target, const struct secret *content,
                       struct seal_blob *ret, struct failure *f);

/* Empties every place but those in `keep`: what was sealed there is gone, also for a header of the
 * disk that somebody has a copy of. CODE_TPM_OWNED. */
MUST_USE int seal_keep(const struct secret *owner, unsigned keep, struct failure *f);

/* Gives the content back. `ticket` may be NULL. *ret_ticket gets a new one when the given one was
 * not good, else size 0. Refusals:
 *
 * - CODE_UNSEAL_BLOB: the blob is malformed or damaged
 * - CODE_UNSEAL_KEY: it is sealed for generations of another PCR-policy key
 * - CODE_UNSEAL_TPM: this TPM does not keep it: another one, cleared, or another disk's
 * - CODE_UNSEAL_NV: the epoch index is missing, or is not ours
 * - CODE_UNSEAL_EPOCH: the TPM's epoch is above the generation's
 * - CODE_UNSEAL_BANK: the TPM has no SHA-256 bank
 * - CODE_UNSEAL_PCR11: nobody signed this PCR 11 with this epoch
 * - CODE_UNSEAL_PCR7: PCR 7 is not the one that it is sealed for, or PCR 12 is not zero
 *
 * The TPM decides; what is read afterwards, to tell refusals apart, decides nothing. */
MUST_USE int seal_open(const struct seal_policy *policy, const struct seal_blob *blob,
                       const struct seal_ticket *ticket, struct secret *ret_content,
                       struct seal_ticket *ret_ticket, struct failure *f);

/* What is stored, in words. */
struct seal_description {
    uint8_t pcr7[SEAL_PCR_SIZE];
    unsigned place;
    bool key_fits; /* it is sealed for this policy's key */
};

/* Reads the blob only. CODE_UNSEAL_BLOB. */
MUST_USE int seal_describe(const struct seal_blob *blob, const struct seal_policy *policy,
                           struct seal_description *ret, struct failure *f);

/* Whether the TPM is some disk's: owner authorization is set, and the epoch's index is there with
 * our public area, which nobody else can have put there since. */
MUST_USE int seal_is_owned(bool *ret, struct failure *f);

/* Raises the epoch; one that is as high or higher stays. CODE_UNSEAL_NV, CODE_TPM_OWNED. */
MUST_USE int seal_epoch_raise(const struct secret *owner, uint64_t epoch, struct failure *f);

/* Reads the epoch. CODE_UNSEAL_NV. */
MUST_USE int seal_epoch_read(uint64_t *ret, struct failure *f);

/* Gives the TPM back: both authorizations are empty, then the epoch and what is sealed are gone.
 * What is sealed opens as long as the epoch is there, so what an interrupted release left to do can
 * be done with what follows from it. CODE_TPM_OWNED. */
MUST_USE int seal_release(const struct secret *owner, const struct secret *lockout,
                          struct failure *f);

/* A ticket for a policy, also for one that is not running (the running system, through
 * TPM_DEVICE_MANAGED). CODE_UNSEAL_PCR11: the signature does not verify. */
MUST_USE int seal_ticket_make(const struct seal_policy *policy, struct seal_ticket *ret,
                              struct failure *f);
