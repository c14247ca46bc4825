/* How a boot ends that failed. */
#pragma once

#include "boot/stage1.h"

/* Keeps "slot=A BR-... step=... <words>" for the next start, in whichever slot, to show. Not for
 * who only passes through to the other slot; and that there were too many starts is no news about a
 * slot of which a reason is known. */
void ending_keep_reason(struct stage1 *s, const char *step, const struct failure *f);

/* Caps the TPM, keeps the reason for the next boot to show, prints the last line, and restarts or
 * halts the machine by what boot/attempts.h says. Never returns; nothing here depends on how far
 * the steps came. */
__attribute__((noreturn)) void ending_fail(struct stage1 *s, const char *step,
                                           const struct failure *f);
