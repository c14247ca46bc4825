/* Stage 1 counts the starts of a slot that did not get to `broch ready` in an EFI variable
 * (sys/efivars.h) and gives the slot up at the third. Being ready ends the count. */
#pragma once

#include "base/failure.h"

/* Removes the count. Returns 0 also on a machine without EFI, else a negative errno with the
 * failure. One write to the firmware's store at most, and none when nothing was counted. */
MUST_USE int attempts_clear(struct failure *f);
