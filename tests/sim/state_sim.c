/* broch-state-sim: replicas of the org's state in a simulated world.
 *
 * A run does what its schedule says for some minutes, heals everything but the hostile, and demands
 * that all honest replicas come to the same state, which must be the reference's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/code.h"
#include "base/failure.h"
#include "base/number.h"
#include "base/options.h"
#include "state_op.h"

static uint64_t arg_seed = 1;
static uint64_t arg_seeds = 10;
static uint64_t arg_nodes = 5;
static uint64_t arg_ops = 250;
static uint64_t arg_minutes = 10;
static const char *arg_keep;
static bool arg_require_all;

static struct state_world world;
static struct state_schedule schedule;
static uint64_t running;

enum { HEAL_MS = 600000 };

static void print_replay(FILE *stream)
{
    (void)fprintf(stream,
                  "  replay: broch-state-sim run --seed %" PRIu64 " --nodes %" PRIu64
                  " --ops %" PRIu64 " --minutes %" PRIu64 "\n",
                  running, arg_nodes, arg_ops, arg_minutes);
}

/* A failed check in a core ends the program; say how to see it again. */
static void on_check(void)
{
    print_replay(stderr);
    abort();
}

static void begin(struct state_world *w, uint64_t seed)
{
    state_world_open(w, seed, (uint16_t)arg_nodes);
    for (uint32_t i = 0; i < schedule.count; i++) {
        struct state_event e = { .at_ms = schedule.ops[i].at_ms, .kind = STATE_OP, .op = i };

        if (!schedule.ops[i].off)
            state_event_add(w, &e);
    }
}

static void heal(struct state_world *w)
{
    w->healing = true;
    w->loss = 0;
    for (uint16_t i = 0; i < w->node_count; i++) {
        w->nodes[i].side = 0;
        w->nodes[i].away = false;
        store_memory_fail(w->nodes[i].disk, 0);
    }
}

static void handle(struct state_world *w, const struct state_event *e)
{
    if (e->kind == STATE_OP)
        state_op_do(w, &schedule.ops[e->op], e->op);
    else if (e->kind == STATE_OP_END)
        state_op_end(w, &schedule.ops[e->op]);
    else
        state_handle(w, e);
}

/* Returns how long healing took. */
static uint64_t run(struct state_world *w, uint64_t seed)
{
    uint64_t end_ms = arg_minutes * 60000, healed_ms = 0;
    struct state_event e;

    running = seed;
    begin(w, seed);
    while (!w->violation && state_event_next(w, &e)) {
        if (!w->healing && w->now_ms > end_ms)
            heal(w);
        handle(w, &e);
        free(e.bytes);
        if (w->healing && state_honest_agree(w)) {
            healed_ms = w->now_ms - end_ms;
            break;
        }
        if (w->now_ms > end_ms + HEAL_MS)
            state_violate(w, 0, "the honest do not agree after ten minutes");
    }
    if (!w->violation)
        state_check_end(w);
    state_world_close(w);
    return healed_ms;
}

static int keep_only(const char *list)
{
    for (uint32_t i = 0; i < schedule.count; i++)
        schedule.ops[i].off = true;
    while (*list) {
        size_t length = strcspn(list, ",");
        uint64_t index;

        if (number_parse(list, length, schedule.count - 1, &index) < 0)
            return -1;
        schedule.ops[index].off = false;
        list += length + (list[length] == ',');
    }
    return 0;
}

static void make_schedule(uint64_t seed)
{
    state_schedule_make(&schedule, seed, (uint16_t)arg_nodes, (uint32_t)arg_ops,
                        arg_minutes * 60000 * 9 / 10);
}

static void print_result(uint64_t seed, uint64_t healed_ms)
{
    if (world.violation) {
        printf("seed %" PRIu64 ": VIOLATION at %.3f s: node %u %s\n", seed,
               (double)world.violated_ms / 1e3, world.violated, world.violation);
        print_replay(stdout);
    } else {
        printf("seed %" PRIu64 ": good, healed in %.1f s, %u writes, trace %016" PRIx64 "\n", seed,
               (double)healed_ms / 1e3, world.writes, world.trace);
    }
    (void)fflush(stdout); /* for whoever watches; a lost line is not a lost run */
}

static void print_kept(void)
{
    const char *comma = "";

    printf("--keep ");
    for (uint32_t i = 0; i < schedule.count; i++) {
        if (schedule.ops[i].off)
            continue;
        printf("%s%u", comma, i);
        comma = ",";
    }
    printf("\n");
    for (uint32_t i = 0; i < schedule.count; i++) {
        const struct state_op *op = &schedule.ops[i];

        if (!op->off)
            printf("  %4u at %8.1f s: node %u, other %u, %s\n", i, (double)op->at_ms / 1e3,
                   op->node, op->other, state_op_text(op->kind));
    }
}

static int run_one(void)
{
    uint64_t healed_ms;

    make_schedule(arg_seed);
    if (arg_keep && keep_only(arg_keep) < 0) {
        (void)fprintf(stderr, "broch-state-sim: --keep takes numbers of operations\n");
        return EXIT_CODE_USAGE;
    }
    healed_ms = run(&world, arg_seed);
    print_result(arg_seed, healed_ms);
    return world.violation ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
}

/* Whether the schedule as it stands fails; in a process of its own, because a check may end it. */
static bool fails(uint64_t seed)
{
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        (void)!freopen("/dev/null", "we", stderr); /* what it says is said again at the end */
        (void)run(&world, seed);
        _exit(world.violation ? 1 : 0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status != 0;
}

static int shrink(void)
{
    unsigned runs = 0;

    make_schedule(arg_seed);
    if (arg_keep && keep_only(arg_keep) < 0)
        return EXIT_CODE_USAGE;
    if (!fails(arg_seed)) {
        printf("seed %" PRIu64 " does not fail\n", arg_seed);
        return EXIT_CODE_ERROR;
    }
    for (uint32_t size = schedule.count / 2; size > 0; size /= 2) {
        for (uint32_t first = 0; first < schedule.count; first += size) {
            static struct state_schedule before; /* large */
            bool any = false;

            before = schedule;
            for (uint32_t i = first; i < first + size && i < schedule.count; i++) {
                any |= !schedule.ops[i].off;
                schedule.ops[i].off = true;
            }
            if (any && !fails(arg_seed))
                schedule = before;
            runs += any;
        }
    }
    printf("%u runs; what is left:\n", runs);
    print_kept();
    return EXIT_CODE_DONE;
}

static const char *const count_texts[STATE_COUNT_MAX_] = {
#define COUNT(symbol, text) [STATE_COUNT_##symbol] = text,
#include "state_count.def"
#undef COUNT
};

static int soak(void)
{
    static uint64_t counts[STATE_COUNT_MAX_], injected[STATE_OP_MAX_];
    unsigned failed = 0, missing = 0;
    uint64_t slowest_ms = 0, writes = 0;

    for (uint64_t seed = arg_seed; seed < arg_seed + arg_seeds; seed++) {
        uint64_t healed_ms;

        make_schedule(seed);
        healed_ms = run(&world, seed);
        print_result(seed, healed_ms);
        failed += world.violation != NULL;
        writes += world.writes;
        slowest_ms = healed_ms > slowest_ms ? healed_ms : slowest_ms;
        for (unsigned i = 0; i < STATE_COUNT_MAX_; i++)
            counts[i] += world.counts[i];
        for (uint32_t i = 0; i < schedule.count; i++)
            injected[schedule.ops[i].kind]++;
    }
    printf("operations:\n");
    for (unsigned i = 0; i < STATE_OP_MAX_; i++) {
        printf("  %12" PRIu64 "  %s\n", injected[i], state_op_text((enum state_op_kind)i));
        missing += injected[i] == 0;
    }
    printf("named states reached:\n");
    for (unsigned i = 0; i < STATE_COUNT_MAX_; i++) {
        printf("  %12" PRIu64 "  %s\n", counts[i], count_texts[i]);
        missing += counts[i] == 0;
    }
    printf("%" PRIu64 " seeds, %u failed, %u operations or states never reached, %" PRIu64
           " writes, slowest healing %.1f s\n",
           arg_seeds, failed, missing, writes, (double)slowest_ms / 1e3);
    return failed > 0 || (arg_require_all && missing > 0) ? EXIT_CODE_ERROR : EXIT_CODE_DONE;
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
        { "nodes", OPTION_NUMBER, &arg_nodes, "N", "replicas, 3 to 8 (5)" },
        { "ops", OPTION_NUMBER, &arg_ops, "N", "operations (250)" },
        { "minutes", OPTION_NUMBER, &arg_minutes, "N", "simulated, before healing (10)" },
        { "keep", OPTION_TEXT, &arg_keep, "LIST", "only these operations of the schedule" },
        { "require-all", OPTION_FLAG, &arg_require_all, NULL,
          "a soak fails when an operation or a named state was never reached" },
    };
    const struct options options = {
        .program = "broch-state-sim",
        .synopsis = "run|soak|shrink [options]",
        .purpose = "Runs replicas of the org's state in a deterministic, simulated world.",
        .example = "broch-state-sim soak --seeds 100 --nodes 5",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
        .operand_min = 1,
        .operand_max = 1,
    };
    struct failure failure = FAILURE_NONE;
    struct operands operands;
    int r;

    (void)check_set_hook(on_check); /* there was none before */
    r = options_parse(&options, argc, argv, &operands, &failure);
    if (r != 0)
        return r > 0 ? EXIT_CODE_DONE : (int)failure_print(&failure, "broch-state-sim", stderr);
    if (arg_nodes < 3 || arg_nodes > STATE_NODES_MAX || arg_ops < 1 || arg_ops > STATE_OPS_MAX ||
        arg_minutes < 1 || arg_minutes > 100000) {
        (void)fprintf(stderr, "broch-state-sim: 3 to %d nodes, 1 to %d operations\n",
                      STATE_NODES_MAX, STATE_OPS_MAX);
        return EXIT_CODE_USAGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(operands.list[0], commands[i].name) == 0)
            return commands[i].run();
    }
    (void)fprintf(stderr, "broch-state-sim: unknown command '%s'\n", operands.list[0]);
    return EXIT_CODE_USAGE;
}
