/* The table of states and events of the liveness core, as an observer sees it: what a node holds of
 * a member, and what it hears about it. The core has no such table in its code; this one watches it
 * from outside, so that a soak can say which cells were never tried. */
#pragma once

#include "org/swim.h"

/* What the node that a packet reaches holds of the member that a frame is about. */
enum sim_held {
    SIM_HELD_SELF,          /* the node itself, alive */
    SIM_HELD_SELF_UNSTABLE, /* the node itself, in a quiet spell */
    SIM_HELD_ALIVE,
    SIM_HELD_UNSTABLE,
    SIM_HELD_UNREACHABLE,
    SIM_HELD_NOBODY, /* no member in its roster */
    SIM_HELD_MAX_
};

enum { SIM_CELLS = WIRE_KIND_MAX_ * SIM_HELD_MAX_ };

/* Counts the cells of one packet before the core takes it. Returns false for a packet that the core
 * must refuse as a whole: of no member, of itself, or malformed. What a frame is about then decides
 * which cells can be: a beat never meets its own sender, nor a probe anybody but whom it asks. */
bool sim_cells_note(uint64_t cells[static SIM_CELLS], const struct swim *core,
                    const struct roster *roster, uint16_t from, const uint8_t *bytes, size_t size);

/* Prints the table; `-` is what cannot be. Returns how many cells were never reached. */
unsigned int sim_cells_print(const uint64_t cells[static SIM_CELLS]);
