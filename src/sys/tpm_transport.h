/* The way of commands to a TPM and of responses back, in the form that tpm2-tss wants (TCTI).
 *
 * The library's own device transport sends a command of its own when it is opened, to learn whether
 * the kernel gives responses in parts (tcti-device.c: "Probe device for partial response read
 * support"). Ours reads whole responses, works over sockets as well, and its count is exact. */
#pragma once

#include <stdint.h>
#include <tss2/tss2_tcti.h>

/* The transport over `fd`, which is owned from here on. There is one; the pointer is valid until
 * tpm_transport_close(). */
TSS2_TCTI_CONTEXT *tpm_transport_open(int fd);

void tpm_transport_close(void);

/* The library's context, and with it the buffer of responses, is gone. */
void tpm_transport_renew(void);

/* Commands sent since the process started. */
uint64_t tpm_transport_count(void);

/* Overwrites the buffer into which the last response went. It belongs to the library's context,
 * which must still be there and be between two commands. */
void tpm_transport_forget(void);
