/* A TPM 2.0 without a resource manager: what is loaded is flushed by whoever loaded it. Commands go
 * through the library's ESYS layer, which allocates; the way to the device is our own
 * (sys/tpm_transport.h), so that every command is counted. One TPM per process. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define TPM_DEVICE         "/dev/tpm0"   /* one opener at a time: stage 1 */
#define TPM_DEVICE_MANAGED "/dev/tpmrm0" /* the kernel's resource manager: the running system */

enum {
    TPM_PCR_COUNT = 24,
    TPM_PCR_SIZE = 32,         /* SHA-256, the one bank that policies of ours name */
    TPM_MEASURE_SIZE_MAX = 64, /* bytes in one measurement */
    TPM_READ_MAX = 8           /* PCRs in one command (TPM 2.0 Part 2, 10.9.7: TPML_DIGEST) */
};

/* Opens the device, which stays open until tpm_close(). Sends no command. Returns 0 or a negative
 * errno; -EALREADY when one is open. */
MUST_USE int tpm_open(const char *device);

/* The same over a descriptor that takes commands and gives responses (a socket of swtpm in tests).
 * The descriptor is owned from here on, on failure too. */
MUST_USE int tpm_open_fd(int fd);

/* Closes it and forgets the last response. Nothing happens when none is open. */
void tpm_close(void);

/* Commands sent since the process started; a command that the TPM wanted again counts again. */
uint64_t tpm_command_count(void);

/* Extends one PCR with the hash of `bytes`, in every active bank at once and with each bank's own
 * hash (TPM2_PCR_Event; TPM 2.0 Part 3, 22.4), so that no bank is left behind. In the SHA-256 bank
 * the result is SHA-256(old || SHA-256(bytes)), the same as systemd-pcrextend's. One command.
 * Returns 0 or a negative errno, -EIO when the TPM refused. */
MUST_USE int tpm_measure(unsigned pcr, const void *bytes, size_t size);

/* Reads up to TPM_READ_MAX PCRs of the SHA-256 bank, given in ascending order, with one command.
 * Returns 0, -ENOENT when that bank is not active, or another negative errno. */
MUST_USE int tpm_read(const unsigned *pcrs, size_t count, uint8_t (*ret_values)[TPM_PCR_SIZE]);
