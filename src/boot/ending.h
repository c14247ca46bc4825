/* How a boot ends that failed. */
#pragma once

#include "boot/stage1.h"

/* Caps the TPM, keeps the reason for the next boot to show, prints the last line, and restarts or
 * halts the machine by what boot/attempts.h says. Never returns; nothing here depends on how far
 * the steps came. */
__attribute__((noreturn)) void ending_fail(struct stage1 *s, const char *step,
                                           const struct failure *f);
