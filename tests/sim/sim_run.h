/* One run: faults for the first half, then healing, convergence within a bound, and quiet. */
#pragma once

#include "sim_fault.h"

struct sim_plan {
    uint64_t seed;
    uint16_t nodes;
    uint64_t minutes;
    uint32_t faults; /* 0: as many as the size and time ask for */
    uint16_t traced; /* a node or ROSTER_NONE */
    bool random;     /* targets: the second set of parameters */
};

struct sim_result {
    const char *violation; /* NULL when all is well */
    uint16_t node, subject;
    uint64_t at_ns;
    uint64_t healed_ns; /* from healing to convergence */
    uint64_t trace_hash;
    uint64_t steps, delivered, node_ns;
    uint64_t counts[SWIM_COUNT_MAX_];
    uint64_t states[SIM_STATE_MAX_];
    uint64_t cells[SIM_CELLS];
};

/* Makes the schedule of a plan. */
void sim_plan_schedule(const struct sim_plan *plan, struct sim_schedule *ret);

/* Runs the schedule (faults that are off are left out). */
void sim_run(const struct sim_plan *plan, struct sim_schedule *schedule, struct sim_result *ret);

/* Switches faults off as long as the run still fails in the same way. Returns the runs it took. */
unsigned int sim_shrink(const struct sim_plan *plan, struct sim_schedule *schedule);
