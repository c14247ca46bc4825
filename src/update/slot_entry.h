/* What the firmware knows of a slot while it is being written and when it is to be tried. Only
 * entries of that slot are touched, and BootOrder loses them and gains none: a release that was not
 * judged good is started once and by BootNext alone. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "update/slot_device.h"

/* Takes the slot out of use before its content goes: BootNext when it leads there, then every entry
 * of the slot, from BootOrder first: its number is the next entry's. CODE_UPDATE_ENTRY. */
MUST_USE int slot_entry_withdraw(int efivars_fd, const struct slot_device *slot, struct failure *f);

/* Whether the running slot is on trial: the firmware has an entry of it, and would not start it by
 * itself, because BootOrder has none of it or the other slot's before. The slot of a new disk has
 * no entry at all and is none. CODE_UPDATE_ENTRY. */
MUST_USE int slot_entry_is_trial(int efivars_fd, const struct slot_devices *slots, bool *ret,
                                 struct failure *f);

/* Whether the firmware has an entry of the slot: one that nothing may start has none. */
MUST_USE int slot_entry_exists(int efivars_fd, const struct slot_device *slot, bool *ret,
                               struct failure *f);
