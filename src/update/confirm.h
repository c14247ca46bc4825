/* What makes a slot the confirmed one: the firmware starts it by itself, with its variables and
 * without them.
 *
 *   1. each slot that holds a generation has one boot entry; other ones of ours go
 *   2. BootOrder: this slot's, the other's, then everybody else's in their order
 *   3. \EFI\BOOT\BOOTX64.EFI in this slot, and after that not in the other one
 *   4. the TPM's ticket beside the boot file
 *   5. BrochAttempts names both slots, this one without a count or mark; BrochReason goes
 *
 * Each of them can be done again. A power cut before 2 leaves the former slot the confirmed one. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "update/slot_device.h"

struct confirm {
    const struct slot_devices *slots;
    int efivars_fd;
    const char
        *mount_at; /* an empty folder, made when missing, for the slots one after the other */
    bool tpm;      /* make a ticket */
};

/* True when the firmware's variables need nothing but the count cleared: this slot is first in
 * BootOrder, each slot has at most one entry, switched on, and BrochAttempts names both. */
bool confirm_is_listed(const struct confirm *c);

/* True when besides the other slot has no BOOTX64.EFI (a power cut may have left one) and this one
 * has its ticket. What else the other slot holds is not asked: without an entry it was never tried
 * here, and is nothing to fall back to. */
bool confirm_is_settled(const struct confirm *c);

/* True when this slot is the one that BootOrder has first among ours. Where we have no entry at all
 * (a new disk, a new variable store), whatever runs is what firmware starts by itself. */
bool confirm_is_first(const struct confirm *c);

/* Does all of it. CODE_UPDATE_CONFIRM with the part that failed. A ticket that cannot be made is no
 * failure: the next start takes the long way, and *ticket says why (its cause is 0 when there is
 * one, or none is wanted). */
MUST_USE int confirm_slot(const struct confirm *c, struct failure *ticket, struct failure *f);

/* Gives the running slot an entry, first in BootOrder, where it has none: the firmware lost its
 * variables. The other slot gets none by this, because it may have to prove itself. */
MUST_USE int confirm_own_entry(const struct confirm *c, struct failure *f);

/* Takes back a BootNext of stage 1, writes BrochAttempts (this slot's count and mark are gone; the
 * other's mark stays unless `forgive`) and removes BrochReason. */
MUST_USE int confirm_attempts(const struct confirm *c, bool forgive, struct failure *f);

/* Makes the other slot what the firmware starts next, once: its entry is written when it is
 * missing, its count and mark are gone, BootNext names it. */
MUST_USE int confirm_start_other(const struct confirm *c, struct failure *f);
