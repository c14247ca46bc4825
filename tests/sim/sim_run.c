#include "sim_run.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

/* From healing until all views agree. The longest road: an unreachable member is tried once a
 * minute after long absence, a signed word is found missing by comparing views, and one unstable
 * spell is noticed by silence of a minute. */
#define CONVERGE_NS (300 * NS_PER_S)
#define LOOK_NS     (5 * NS_PER_S)

static const struct sim_network calm = { .rtt_ns = 2 * NS_PER_MS, .jitter_ppm = 500000 };

struct run {
    struct sim_schedule *schedule;
    bool settled; /* healed and converged: from here on nobody may be called unreachable */
};

static void on_fault(void *context, struct sim_world *w, uint32_t index, bool starts)
{
    struct run *run = context;

    sim_schedule_apply(run->schedule, w, index, starts);
}

static void on_change(void *context, struct sim_world *w, const struct sim_change *change)
{
    const struct run *run = context;

    if (run->settled && change->standing == WIRE_STANDING_UNREACHABLE &&
        w->nodes[change->subject].core)
        sim_world_violate(w, change->node, change->subject,
                          "verdict about a healthy node in a quiet org");
}

void sim_plan_schedule(const struct sim_plan *plan, struct sim_schedule *ret)
{
    uint64_t end_ns = plan->minutes * SIM_MINUTE_NS / 2;
    uint32_t count = plan->faults;

    if (count == 0)
        count = (uint32_t)(plan->minutes * (4 + plan->nodes / 10));
    if (count > SIM_FAULTS_MAX)
        count = SIM_FAULTS_MAX;
    sim_schedule_make(ret, plan->seed, plan->nodes, count, 20 * NS_PER_S, end_ns);
}

static void start_all(struct sim_world *w, uint16_t nodes)
{
    for (uint16_t i = 0; i < nodes; i++)
        sim_node_start(w, i);
}

static bool converge(struct sim_world *w, uint64_t split, struct sim_result *ret)
{
    uint64_t healed_ns = w->now_ns;
    const char *why = "";

    while (w->now_ns < healed_ns + CONVERGE_NS) {
        if (!sim_world_run(w, w->now_ns + LOOK_NS))
            return false;
        if (sim_world_converged(w, &why, &ret->node, &ret->subject)) {
            ret->healed_ns = w->now_ns - healed_ns;
            w->states[SIM_STATE_SPLIT_HEALED] += split;
            return true;
        }
    }
    sim_world_violate(w, ret->node, ret->subject, why);
    return false;
}

static void collect(const struct sim_world *w, struct sim_result *ret)
{
    ret->violation = w->violation;
    ret->at_ns = w->now_ns;
    ret->trace_hash = w->trace_hash;
    ret->steps = w->steps;
    ret->delivered = w->delivered;
    ret->node_ns = w->now_ns * roster_count(sim_world_roster(w));
    ret->node = w->violation_node;
    ret->subject = w->violation_subject;
    for (int i = 0; i < SWIM_COUNT_MAX_; i++)
        ret->counts[i] = sim_world_count(w, (enum swim_count)i);
    memcpy(ret->states, w->states, sizeof(ret->states));
    memcpy(ret->cells, w->cells, sizeof(ret->cells));
}

void sim_run(const struct sim_plan *plan, struct sim_schedule *schedule, struct sim_result *ret)
{
    struct run run = { .schedule = schedule };
    uint16_t spare = (uint16_t)(plan->nodes / 10 + 2);
    struct sim_world *w = sim_world_new(plan->seed, plan->nodes, spare, &calm);
    uint64_t end_ns = plan->minutes * SIM_MINUTE_NS;

    memset(ret, 0, sizeof(*ret));
    memset(schedule->injected, 0, sizeof(schedule->injected));
    ret->subject = ROSTER_NONE;
    w->hooks = (struct sim_hooks){ &run, on_change, NULL, on_fault };
    w->traced = plan->traced;
    if (plan->random)
        w->parameters = &swim_parameters_random;
    start_all(w, plan->nodes);
    sim_schedule_arm(schedule, w);
    if (sim_world_run(w, end_ns / 2)) {
        sim_world_heal(w, &calm);
        if (converge(w, schedule->injected[SIM_FAULT_SPLIT], ret)) {
            run.settled = true;
            if (w->now_ns < end_ns)
                (void)sim_world_run(w, end_ns); /* a violation is in the result */
        }
    }
    collect(w, ret);
    sim_world_free(w);
}

static bool fails_alike(const struct sim_plan *plan, struct sim_schedule *schedule,
                        const char *violation)
{
    struct sim_result result;

    sim_run(plan, schedule, &result);
    return result.violation && strcmp(result.violation, violation) == 0;
}

static void switch_range(struct sim_schedule *s, const bool *former, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        s->faults[i].off = former ? former[i] : true;
}

unsigned int sim_shrink(const struct sim_plan *plan, struct sim_schedule *schedule)
{
    static bool former[SIM_FAULTS_MAX];
    struct sim_result result;
    unsigned int runs = 1;

    sim_run(plan, schedule, &result);
    if (!result.violation)
        return runs;
    for (uint32_t piece = schedule->count; piece > 0; piece /= 2) {
        for (uint32_t from = 0; from < schedule->count; from += piece) {
            uint32_t to = from + piece < schedule->count ? from + piece : schedule->count;
            bool any = false;

            for (uint32_t i = from; i < to; i++) {
                former[i] = schedule->faults[i].off;
                any |= !former[i];
            }
            if (!any)
                continue;
            switch_range(schedule, NULL, from, to);
            runs++;
            if (!fails_alike(plan, schedule, result.violation))
                switch_range(schedule, former, from, to);
        }
    }
    return runs;
}
