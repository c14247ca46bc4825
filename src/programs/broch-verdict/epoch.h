/* A generation that is good asks stage 1 for its epoch, when the TPM's is lower. */
#pragma once

#include "node/facts.h"

/* Writes the request (disk/request.h) when the encrypted disk is open, Secure Boot and a TPM are
 * on, and the TPM's epoch is below that of the generation that runs. Returns 1 when it asked, 0
 * when there is nothing to ask for. CODE_UNSEAL_NV, CODE_TPM_COMMAND, CODE_IO. */
MUST_USE int epoch_ask(const struct facts *facts, struct failure *f);
