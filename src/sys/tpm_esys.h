/* For code that speaks ESYS itself (src/disk/seal*.c): the context behind sys/tpm.h. */
#pragma once

#include <tss2/tss2_esys.h>

#include "base/check.h"

/* The open TPM's context, borrowed until tpm_close(); NULL when none is open. */
ESYS_CONTEXT *tpm_esys(void);

/* Overwrites the library's copy of the last response. A response that was decrypted stays there in
 * clear until the next command that is as long; callers of Unseal end with this. */
void tpm_forget_response(void);

/* A fresh context over the same device; every ESYS_TR of the former one is gone. The library keeps
 * the salt of a session that the TPM refused to start and mixes it into the key of the next one,
 * if that one is not salted itself (seen in 3.2.1; the code of 4.1.3 is the same), whose commands
 * the TPM then refuses. Returns 0, or -EIO and the TPM is closed. */
MUST_USE int tpm_esys_renew(void);
