/* The hybrid clocks of a simulated org. Every node has a wall clock of its own, which faults set
 * wrong; it stamps an entry every few seconds and tells some members, who accept or defer it. What
 * a node accepted makes the root that its liveness core sends along.
 *
 * The oracle is the world's: it knows every stamp that was ever used, what each disk still held,
 * and what became of each entry that arrived. */
#pragma once

#include "base/rng.h"
#include "org/hlc.h"
#include "sim_state.h"

struct sim_world;
struct sim_event;

struct sim_clock {
    struct hlc hlc;
    int64_t wrong_ms;                 /* how far its wall clock is off */
    uint64_t written, written_before; /* ceilings on its disk */
    uint64_t used, used_before;       /* truth: highest stamp it used below each of them */
    uint64_t accepted;                /* the highest since it started */
    uint64_t root;                    /* over what it accepted */
    uint64_t arrived, taken, dropped; /* entries of others, since it started */
};

/* Before the first step of a world, for each node that starts. */
void sim_clock_start(struct sim_world *w, uint16_t slot);

/* The machine stops; its disk lost the last commit when `lose_last_write`. */
void sim_clock_crash(struct sim_world *w, uint16_t slot, bool lose_last_write);

/* SIM_TICK: the node takes what is due, stamps an entry, and tells others. */
void sim_clock_tick(struct sim_world *w, uint16_t slot);

/* SIM_STAMP: another's entry comes in. */
void sim_clock_stamp(struct sim_world *w, const struct sim_event *e);

/* The node sends a stamp that far ahead, past its own clock: what a hostile member may do. */
void sim_clock_forge(struct sim_world *w, uint16_t slot, uint16_t to, uint64_t ahead_ms);
