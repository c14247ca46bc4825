/* A TPM 2.0 behind the kernel's resource manager, through libtss2-sys: no allocation of ours, no
 * sessions, no saved contexts. One TPM per process. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define TPM_DEVICE "/dev/tpmrm0"

enum {
    TPM_PCR_COUNT = 24,
    TPM_PCR_SIZE = 32,        /* SHA-256, the one bank that policies of ours name */
    TPM_MEASURE_SIZE_MAX = 64 /* bytes in one measurement */
};

/* Opens the device, which stays open for the life of the process. Returns 0 or a negative errno;
 * -EALREADY when it is open. */
MUST_USE int tpm_open(const char *device);

/* Extends one PCR with the hash of `bytes`, in every active bank at once and with each bank's own
 * hash (TPM2_PCR_Event; TPM 2.0 Part 3, 22.4), so that no bank is left behind. In the SHA-256 bank
 * the result is SHA-256(old || SHA-256(bytes)), the same as systemd-pcrextend's. Returns 0 or a
 * negative errno, -EIO when the TPM refused. */
MUST_USE int tpm_measure(unsigned pcr, const void *bytes, size_t size);

/* Reads one PCR of the SHA-256 bank. Returns 0, -ENOENT when that bank is not active, or another
 * negative errno. */
MUST_USE int tpm_read(unsigned pcr, uint8_t ret_value[static TPM_PCR_SIZE]);
