/* Stage 1 counts the starts of a slot that did not get to `broch ready` in an EFI variable
 * (sys/efivars.h) and gives the slot up at the third. Being ready ends the count, and what was kept
 * of the last failure with it. */
#pragma once

#include "base/failure.h"

/* Removes both from the efivarfs on `folder`. Returns 0 also when there is no such folder (a
 * machine without EFI); -ENODEV when it is another filesystem, or a negative errno, with the
 * failure. One write to the firmware's store for each that is there. */
MUST_USE int attempts_clear(const char *folder, struct failure *f);
