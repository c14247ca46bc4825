/* Slot B filled, and the firmware told of both: what an update and a verdict leave, made while the
 * machine is off. Like those of fixture.h, these functions fail the running test by themselves. */
#pragma once

#include "fixture.h"

enum { TWO_SLOTS_ENTRY_A = 0x0a0a, TWO_SLOTS_ENTRY_B = 0x0b0b, SLOT_B = 1 };

/* The generation's system image and this boot file. */
void two_slots_fill_b(struct place *place, const char *uki);

/* An entry for each slot, A first in BootOrder, and both names in BrochAttempts. `store` is the
 * machine's variable store. */
void two_slots_entries(struct place *place, const char *store);
