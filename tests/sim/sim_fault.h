/* What happens to a simulated org: a schedule made from the seed, in which each entry can be left
 * out without changing the others (that is what the shrinker does). */
#pragma once

#include "sim_world.h"

enum sim_fault_kind {
#define FAULT(symbol, text, weight, apply) SIM_FAULT_##symbol,
#include "sim_fault.def"
#undef FAULT
    SIM_FAULT_MAX_
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t start_ns, end_ns;
    uint16_t node, other;
    uint32_t amount;
    bool off; /* shrunk away */
};

enum { SIM_FAULTS_MAX = 4096 };

struct sim_schedule {
    struct sim_fault faults[SIM_FAULTS_MAX];
    uint32_t count;
    uint64_t injected[SIM_FAULT_MAX_];
};

const char *sim_fault_name(enum sim_fault_kind kind);

/* Fills the schedule with `count` faults between start and end; nodes are slots below `nodes`. */
void sim_schedule_make(struct sim_schedule *s, uint64_t seed, uint16_t nodes, uint32_t count,
                       uint64_t start_ns, uint64_t end_ns);

/* Queues the faults that are not off. */
void sim_schedule_arm(const struct sim_schedule *s, struct sim_world *w);

/* Begins or ends one. */
void sim_schedule_apply(struct sim_schedule *s, struct sim_world *w, uint32_t index, bool starts);

/* Undoes everything that still holds: the org must converge from here. */
void sim_world_heal(struct sim_world *w, const struct sim_network *net);

void sim_fault_print(const struct sim_fault *f, uint32_t index);
