/* broch-sim: runs the production cores of src/org in a simulated world. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/options.h"
#include "sim_figures.h"
#include "sim_replay.h"
#include "sim_run.h"

enum { MINUTES_DEFAULT = 10 };

static uint64_t arg_seed = 1;
static uint64_t arg_seeds = 10;
static uint64_t arg_nodes = 50;
static uint64_t arg_minutes; /* 0: 10, or what each figure is measured over */
static uint64_t arg_faults;
static uint64_t arg_trace = ROSTER_NONE;
static const char *arg_keep;
static bool arg_partial;
static bool arg_random;

static struct sim_schedule schedule;
static struct sim_plan running;

/* A failed check in a core ends the program; say how to see it again. */
static void on_check(void)
{
    (void)fprintf(stderr,
                  "  replay: broch-sim run --seed %" PRIu64 " --nodes %u --minutes %" PRIu64
                  " --faults %u%s\n",
                  running.seed, running.nodes, running.minutes, schedule.count,
                  running.random ? " --random" : "");
    abort();
}

static struct sim_plan plan_from_arguments(uint64_t seed)
{
    return (struct sim_plan){ .seed = seed,
                              .nodes = (uint16_t)arg_nodes,
                              .minutes = arg_minutes ? arg_minutes : MINUTES_DEFAULT,
                              .faults = (uint32_t)arg_faults,
                              .traced = (uint16_t)arg_trace,
                              .random = arg_random };
}

/* "3,17,20": only these faults of the schedule. */
static int keep_only(const char *list)
{
    for (uint32_t i = 0; i < schedule.count; i++)
        schedule.faults[i].off = true;
    while (*list) {
        size_t length = strcspn(list, ",");
        uint64_t index;

        if (number_parse(list, length, schedule.count - 1, &index) < 0)
            return -1;
        schedule.faults[index].off = false;
        list += length + (list[length] == ',');
    }
    return 0;
}

static void print_result(const struct sim_plan *plan, const struct sim_result *r)
{
    if (!r->violation) {
        printf("seed %" PRIu64 ": good, healed in %.0f s, %" PRIu64 " steps, trace %016" PRIx64
               "\n",
               plan->seed, (double)r->healed_ns / 1e9, r->steps, r->trace_hash);
        return;
    }
    printf("seed %" PRIu64 ": VIOLATION at %.6f s: node %u %s", plan->seed, (double)r->at_ns / 1e9,
           r->node, r->violation);
    if (r->subject != ROSTER_NONE)
        printf(" (%u)", r->subject);
    printf(", trace %016" PRIx64 "\n", r->trace_hash);
    printf("  replay: broch-sim run --seed %" PRIu64 " --nodes %u --minutes %" PRIu64
           " --faults %u%s\n",
           plan->seed, plan->nodes, plan->minutes, schedule.count, plan->random ? " --random" : "");
}

/* Returns how many were never reached. */
static unsigned int print_counts(const uint64_t *counts, const uint64_t *states)
{
    unsigned int missing = 0;

    printf("named states reached:\n");
    for (int i = 0; i < SWIM_COUNT_MAX_; i++) {
        printf("  %12" PRIu64 "  %s\n", counts[i], swim_count_name((enum swim_count)i));
        missing += counts[i] == 0;
    }
    for (int i = 0; i < SIM_STATE_MAX_; i++) {
        printf("  %12" PRIu64 "  %s\n", states[i], sim_state_name((enum sim_state)i));
        missing += states[i] == 0;
    }
    return missing;
}

static int run_one(void)
{
    struct sim_plan plan = plan_from_arguments(arg_seed);
    struct sim_result result;

    running = plan;
    sim_plan_schedule(&plan, &schedule);
    if (arg_keep && keep_only(arg_keep) < 0) {
        (void)fprintf(stderr, "broch-sim: --keep takes numbers of faults, separated by commas\n");
        return EXIT_CODE_USAGE;
    }
    sim_run(&plan, &schedule, &result);
    print_result(&plan, &result);
    (void)print_counts(result.counts, result.states); /* one run reaches some */
    return result.violation ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}

static int shrink(void)
{
    struct sim_plan plan = plan_from_arguments(arg_seed);
    struct sim_result result;
    const char *comma = "";
    unsigned int runs;

    plan.traced = ROSTER_NONE;
    running = plan;
    sim_plan_schedule(&plan, &schedule);
    if (arg_keep && keep_only(arg_keep) < 0)
        return EXIT_CODE_USAGE;
    runs = sim_shrink(&plan, &schedule);
    sim_run(&plan, &schedule, &result);
    print_result(&plan, &result);
    printf("%u runs; what is left:\n", runs);
    for (uint32_t i = 0; i < schedule.count; i++) {
        if (!schedule.faults[i].off)
            sim_fault_print(&schedule.faults[i], i);
    }
    printf("--keep ");
    for (uint32_t i = 0; i < schedule.count; i++) {
        if (!schedule.faults[i].off) {
            printf("%s%u", comma, i);
            comma = ",";
        }
    }
    printf("\n");
    return result.violation ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}

static unsigned int print_injected(const uint64_t *injected)
{
    unsigned int missing = 0;

    printf("faults injected:\n");
    for (int i = 0; i < SIM_FAULT_MAX_; i++) {
        printf("  %12" PRIu64 "  %s\n", injected[i], sim_fault_name((enum sim_fault_kind)i));
        missing += injected[i] == 0;
    }
    return missing;
}

static int soak(void)
{
    static uint64_t injected[SIM_FAULT_MAX_], counts[SWIM_COUNT_MAX_], states[SIM_STATE_MAX_];
    static uint64_t cells[SIM_CELLS];
    unsigned int failed = 0, missing = 0;
    uint64_t worst_ns = 0, node_ns = 0;

    for (uint64_t seed = arg_seed; seed < arg_seed + arg_seeds; seed++) {
        struct sim_plan plan = plan_from_arguments(seed);
        struct sim_result result;

        running = plan;
        sim_plan_schedule(&plan, &schedule);
        sim_run(&plan, &schedule, &result);
        print_result(&plan, &result);
        (void)fflush(stdout); /* for whoever watches; a lost line is not a lost run */
        failed += result.violation != NULL;
        worst_ns = result.healed_ns > worst_ns ? result.healed_ns : worst_ns;
        node_ns += result.node_ns / 1000;
        for (int i = 0; i < SIM_FAULT_MAX_; i++)
            injected[i] += schedule.injected[i];
        for (int i = 0; i < SWIM_COUNT_MAX_; i++)
            counts[i] += result.counts[i];
        for (int i = 0; i < SIM_STATE_MAX_; i++)
            states[i] += result.states[i];
        for (int i = 0; i < SIM_CELLS; i++)
            cells[i] += result.cells[i];
    }
    missing = print_injected(injected) + print_counts(counts, states) + sim_cells_print(cells);
    printf("%" PRIu64 " seeds, %u failed, %u faults, states or cells never reached, "
           "slowest healing %.0f s, %.1f node-hours\n",
           arg_seeds, failed, missing, (double)worst_ns / 1e9, (double)node_ns / 3600e6);
    return failed > 0 || (!arg_partial && missing > 0) ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}

static int replay(const struct operands *operands)
{
    int worst = operands->count > 1 ? EXIT_CODE_DONE : EXIT_CODE_USAGE;

    for (size_t i = 1; i < operands->count; i++) {
        int code = sim_replay(operands->list[i]);

        worst = code > worst ? code : worst;
    }
    return worst;
}

static const struct {
    const char *name;
    int (*run)(void);
} commands[] = { { "run", run_one }, { "soak", soak }, { "shrink", shrink } };

int main(int argc, char **argv)
{
    const struct option_spec specs[] = {
        { "seed", OPTION_NUMBER, &arg_seed, "N", "seed, or the first of a soak (1)" },
        { "seeds", OPTION_NUMBER, &arg_seeds, "N", "seeds of a soak (10)" },
        { "nodes", OPTION_NUMBER, &arg_nodes, "N", "members at the start (50)" },
        { "minutes", OPTION_NUMBER, &arg_minutes, "N",
          "simulated; faults in the first half (10); of figures, as they say" },
        { "faults", OPTION_NUMBER, &arg_faults, "N", "length of the schedule (by size and time)" },
        { "keep", OPTION_TEXT, &arg_keep, "LIST", "only these faults of the schedule" },
        { "trace", OPTION_NUMBER, &arg_trace, "NODE", "print the history of one node" },
        { "random", OPTION_FLAG, &arg_random, NULL, "random targets instead of the overlay" },
        { "partial", OPTION_FLAG, &arg_partial, NULL,
          "a soak too small to reach every fault and named state is good all the same" },
    };
    const struct options options = {
        .program = "broch-sim",
        .synopsis = "run|soak|shrink|figures [NAME...]|replay FILE... [options]",
        .purpose = "Runs the cores of src/org in a deterministic, simulated world.",
        .example = "broch-sim soak --seeds 20 --nodes 200",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_min = 1,
        .operand_max = OPTIONS_OPERANDS_MAX,
    };
    struct failure failure = FAILURE_NONE;
    struct operands operands;
    int r;

    (void)check_set_hook(on_check); /* there was none before */
    r = options_parse(&options, argc, argv, &operands, &failure);

    if (r != 0)
        return r > 0 ? EXIT_CODE_DONE : (int)failure_print(&failure, "broch-sim", stderr);
    if (arg_nodes < 2 || arg_nodes > 14000 || arg_minutes == 1 || arg_minutes > 100000 ||
        arg_faults > SIM_FAULTS_MAX || arg_trace > ROSTER_NONE) {
        (void)fprintf(stderr,
                      "broch-sim: 2 to 14000 nodes, 2 to 100000 minutes, at most %d "
                      "faults\n",
                      SIM_FAULTS_MAX);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(operands.list[0], "figures") == 0)
        return sim_figures(operands.list + 1, operands.count - 1, arg_minutes);
    if (strcmp(operands.list[0], "replay") == 0)
        return replay(&operands);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(operands.list[0], commands[i].name) == 0)
            return commands[i].run();
    }
    (void)fprintf(stderr, "broch-sim: unknown command '%s'\n", operands.list[0]);
    return EXIT_CODE_USAGE;
}
