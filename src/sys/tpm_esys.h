/* For code that speaks ESYS itself (src/disk/seal*.c): the context behind sys/tpm.h. */
#pragma once

#include <tss2/tss2_esys.h>

/* The open TPM's context, borrowed until tpm_close(); NULL when none is open. */
ESYS_CONTEXT *tpm_esys(void);

/* Overwrites the library's copy of the last response. A response that was decrypted stays there in
 * clear until the next command that is as long; callers of Unseal end with this. */
void tpm_forget_response(void);
