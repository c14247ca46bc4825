/* What the functions of disk/seal.h share: sessions, handles without a question to the TPM, and the
 * wording of refusals. */
#pragma once

#include <tss2/tss2_esys.h>

#include "base/failure.h"
#include "base/secret.h"
#include "disk/seal.h"

/* Three ESYS_TR that are left out of a call, and one. */
#define SEAL_NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE

/* The TPM's own number of an error, without the place (handle, parameter, session) that it names;
 * 0 when the error did not come from the TPM. */
TSS2_RC seal_reason(TSS2_RC rc);

/* True when the TPM judged what it was given; false when it could not (busy, out of memory, failed)
 * or did not answer. */
bool seal_is_verdict(TSS2_RC rc);

/* True when the handle that was named does not exist. */
bool seal_is_missing(TSS2_RC rc);

/* Fills *f with what failed and the TPM's number; returns -EIO, or -ENOKEY for CODE_UNSEAL_*. */
int seal_refused(struct failure *f, enum code code, TSS2_RC rc, const char *what);

/* -ENXIO and CODE_TPM_COMMAND when no TPM is open. */
MUST_USE int seal_need_tpm(struct failure *f);

/* A session of this kind: salted to the storage root key when `srk` is given, with its first
 * parameter encrypted in the direction(s) that `attributes` name. */
TSS2_RC seal_session(ESYS_TR srk, TPM2_SE kind, TPMA_SESSION attributes, ESYS_TR *ret);

/* The storage root key as the TPM has it, checked: CODE_UNSEAL_TPM when there is none,
 * CODE_TPM_OWNED when it is another kind of key. seal_close() gives the handle back. */
MUST_USE int seal_srk_find(ESYS_TR *ret, uint8_t ret_point[static 64], struct failure *f);

/* The same key, and an index, as we know that they are: no command is sent. */
TSS2_RC seal_srk_assume(const uint8_t point[static 64], ESYS_TR *ret);
TSS2_RC seal_index_assume(const TPM2B_NV_PUBLIC *area, ESYS_TR *ret);

/* Whether the index of this number has this public area: 0 when it has, 1 when it has another one,
 * -ENOENT when there is none, -EIO. */
int seal_index_look(const TPM2B_NV_PUBLIC *area);

/* Forgets a handle of something persistent. */
void seal_close(ESYS_TR *handle);

/* Flushes something loaded. ESYS_TR_NONE is fine. */
void seal_flush(ESYS_TR *handle);

/* Overwrites what the library remembers of a secret: the last command's arguments, the last
 * response, and the stack below the caller. Sends nothing. */
void seal_forget(void);

/* Checks the signature: three commands. CODE_UNSEAL_PCR11, CODE_TPM_COMMAND. */
MUST_USE int seal_verify(const struct seal_policy *policy, TPMT_TK_VERIFIED *ret,
                         struct failure *f);
