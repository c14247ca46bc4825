/* The TPM's ticket for a boot file: that this TPM has seen the signature of the policy in it. */
#pragma once

#include <stddef.h>

#include "base/failure.h"
#include "disk/seal.h"

/* Reads .pcrsig and .pcrpkey of the file and asks the TPM (TPM_DEVICE_MANAGED). */
MUST_USE int ticket_make(const void *uki, size_t size, struct seal_ticket *ret, struct failure *f);
