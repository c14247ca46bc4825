#include "sim_fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

enum { MILLION = 1000000, GROUPS = 3, HOSTILE_PACKETS = 10 };

static uint32_t share(const struct sim_fault *f, uint32_t limit_ppm)
{
    return f->amount % (limit_ppm + 1);
}

static void split(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    uint64_t groups = 2 + f->amount % (GROUPS - 1);

    for (uint16_t i = 0; i < w->capacity; i++)
        w->nodes[i].group = 0;
    for (uint16_t i = 0; starts && i < w->capacity; i++)
        w->nodes[i].group = (uint16_t)(rng_mix(f->amount + i) % groups);
}

static uint64_t random_id(struct sim_world *w)
{
    const struct roster_member *m =
        roster_member(sim_world_roster(w), (uint16_t)rng_below(&w->rng, w->capacity));

    return m ? m->id : rng_next(&w->rng) | 1;
}

static void forge_frame(struct sim_world *w, struct wire_frame *f)
{
    uint64_t id = random_id(w);
    uint32_t incarnation =
        (uint32_t)(rng_chance(&w->rng, 100000) ? WIRE_INCARNATION_MAX : rng_below(&w->rng, 6));

    memset(f, 0, sizeof(*f));
    switch (rng_below(&w->rng, 8)) {
    case 0:
    case 1:
        f->kind = WIRE_UNREACHABLE;
        f->unreachable = (struct wire_unreachable){ id, incarnation };
        break;
    case 2:
        f->kind = WIRE_UNSTABLE;
        f->unstable = (struct wire_unstable){ id, incarnation };
        break;
    case 3:
        f->kind = WIRE_SIGNED;
        f->proved.subject = id;
        f->proved.incarnation = incarnation;
        f->proved.standing = (enum wire_standing)rng_below(&w->rng, WIRE_STANDING_MAX_);
        f->proved.signature[0] = 1;
        break;
    case 4:
        f->kind = WIRE_HELD;
        f->held = (struct wire_held){ id, incarnation,
                                      (enum wire_standing)rng_below(&w->rng, WIRE_STANDING_MAX_) };
        break;
    case 5:
        f->kind = WIRE_CALL;
        f->call = (struct wire_call){ id, (uint16_t)incarnation, 60000, incarnation };
        break;
    case 6:
        f->kind = WIRE_PROBE;
        f->probe = (struct wire_probe){ (enum wire_standing)rng_below(&w->rng, WIRE_STANDING_MAX_),
                                        incarnation };
        break;
    default:
        f->kind = WIRE_REPORT;
        f->report = (struct wire_report){ id, (uint16_t)rng_next(&w->rng),
                                          (uint8_t)rng_below(&w->rng, 256) };
        break;
    }
}

static bool speaks_of_itself(const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    struct wire_frame f;

    while (wire_next(&c, &f) == 1) {
        if (f.kind == WIRE_BEAT || f.kind == WIRE_ANSWER)
            return true;
    }
    return false;
}

/* A burst of lies, noise and damaged packets to neighbours and others. */
static void forge_burst(struct sim_world *w, uint16_t slot)
{
    for (int i = 0; i < HOSTILE_PACKETS; i++) {
        const struct roster_member *m = roster_member(sim_world_roster(w), slot);
        uint8_t bytes[WIRE_PACKET_MAX];
        struct wire_writer p = { .bytes = bytes, .capacity = sizeof(bytes) };
        uint16_t to = (uint16_t)rng_below(&w->rng, w->capacity);
        struct wire_frame f;

        if (m && m->observer_count > 0 && rng_chance(&w->rng, 700000))
            to = m->observers[rng_below(&w->rng, m->observer_count)];
        do
            forge_frame(w, &f);
        while (wire_put(&p, &f) == 0 && rng_chance(&w->rng, 700000));
        if (rng_chance(&w->rng, 200000))
            bytes[rng_below(&w->rng, p.size)] ^= (uint8_t)(1 << rng_below(&w->rng, 8));
        /* What it says of itself, others may believe: that is no lie about another. */
        if (roster_member(sim_world_roster(w), to) && !speaks_of_itself(bytes, p.size))
            sim_node_forge(w, slot, to, bytes, p.size);
        if (w->nodes[slot].core && m)
            sim_clock_forge(w, slot, to, rng_below(&w->rng, 3600000));
    }
}

/* Faults that go on repeat themselves through further start events. */
static void again(struct sim_world *w, const struct sim_fault *f, uint32_t index, uint64_t in_ns)
{
    if (w->now_ns + in_ns < f->end_ns)
        sim_world_fault_event(w, w->now_ns + in_ns, index, true);
}

static void crash(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts)
        sim_node_crash(w, f->node, f->kind == SIM_FAULT_CRASH_STALE);
    else
        sim_node_start(w, f->node);
}

static void crash_loop(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts && w->nodes[f->node].core)
        sim_node_crash(w, f->node, share(f, 2) == 0);
    else
        sim_node_start(w, f->node);
    if (starts)
        again(w, f, index, NS_PER_S + share(f, 5 * MILLION) * 1000ull);
}

static void kill(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts)
        sim_node_crash(w, f->node, false);
}

static void freeze(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts)
        sim_node_freeze(w, f->node, f->end_ns - f->start_ns);
}

static void slow(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts)
        sim_node_slow(w, f->node, 500 * NS_PER_MS << 2 * share(f, 3), f->end_ns);
}

static void lose(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->net.loss_ppm = starts ? share(f, 250000) : 0;
}

static void delay(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->net.rtt_ns = starts ? share(f, 200) * NS_PER_MS : 2 * NS_PER_MS;
}

static void duplicate(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->net.duplicate_ppm = starts ? share(f, 300000) : 0;
}

static void reorder(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->net.reorder_ppm = starts ? share(f, 300000) : 0;
}

static void cut(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->nodes[f->node].cut_to = starts && f->node != f->other ? f->other : ROSTER_NONE;
}

static void deafen(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->nodes[f->node].in_loss_ppm = starts ? MILLION - share(f, 4) * 100000 : 0;
}

static void mute(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->nodes[f->node].out_loss_ppm = starts ? MILLION - share(f, 4) * 100000 : 0;
}

static void join(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts)
        (void)sim_world_join(w); /* a full org stays as it is */
}

static void leave(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    if (starts && roster_count(sim_world_roster(w)) > 2)
        sim_world_leave(w, f->node);
}

static void fail_disk(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->nodes[f->node].failed_disk = starts;
}

static void renew(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    w->nodes[f->node].newer = starts;
}

static void set_clock(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts)
{
    struct sim_clock *c = w->nodes[f->node].clock;

    if (c)
        c->wrong_ms = starts ? (int64_t)share(f, 20 * 60000) - 10 * 60000 : 0;
}

static void turn_hostile(struct sim_world *w, const struct sim_fault *f, uint32_t index,
                         bool starts)
{
    if (!starts)
        return;
    forge_burst(w, f->node);
    again(w, f, index, 50 * NS_PER_MS);
}

static const struct {
    const char *name;
    uint32_t weight;
    void (*apply)(struct sim_world *w, const struct sim_fault *f, uint32_t index, bool starts);
} kinds[] = {
#define FAULT(symbol, text, weight, apply) [SIM_FAULT_##symbol] = { text, weight, apply },
#include "sim_fault.def"
#undef FAULT
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    CHECK((size_t)kind < ARRAY_SIZE(kinds));
    return kinds[kind].name;
}

static enum sim_fault_kind pick_kind(struct rng *r)
{
    uint64_t sum = 0, at;
    size_t kind = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        sum += kinds[i].weight;
    for (at = rng_below(r, sum); at >= kinds[kind].weight; kind++)
        at -= kinds[kind].weight;
    return (enum sim_fault_kind)kind;
}

void sim_schedule_make(struct sim_schedule *s, uint64_t seed, uint16_t nodes, uint32_t count,
                       uint64_t start_ns, uint64_t end_ns)
{
    struct rng r;

    CHECK(count <= SIM_FAULTS_MAX && end_ns > start_ns + NS_PER_S);
    memset(s, 0, sizeof(*s));
    rng_seed(&r, seed ^ 0x6661756c7473); /* apart from the network's */
    for (s->count = 0; s->count < count; s->count++) {
        struct sim_fault *f = &s->faults[s->count];
        /* Mostly seconds, at times minutes. */
        uint64_t most_ns = rng_chance(&r, 800000) ? 15 * NS_PER_S : 120 * NS_PER_S;

        f->kind = pick_kind(&r);
        f->start_ns = start_ns + rng_below(&r, end_ns - start_ns - NS_PER_S);
        f->end_ns = f->start_ns + NS_PER_MS + rng_below(&r, most_ns);
        if (f->end_ns > end_ns)
            f->end_ns = end_ns;
        f->node = (uint16_t)rng_below(&r, nodes);
        f->other = (uint16_t)rng_below(&r, nodes);
        f->amount = (uint32_t)rng_next(&r);
    }
}

void sim_schedule_arm(const struct sim_schedule *s, struct sim_world *w)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->faults[i].off)
            sim_world_fault_event(w, s->faults[i].start_ns, i, true);
    }
}

void sim_fault_print(const struct sim_fault *f, uint32_t index)
{
    printf("  %4u %9.3f-%.3f %s, node %u, other %u, amount %u\n", index, (double)f->start_ns / 1e9,
           (double)f->end_ns / 1e9, sim_fault_name(f->kind), f->node, f->other, f->amount);
}

void sim_schedule_apply(struct sim_schedule *s, struct sim_world *w, uint32_t index, bool starts)
{
    const struct sim_fault *f = &s->faults[index];

    if (starts && w->now_ns == f->start_ns) {
        s->injected[f->kind]++;
        sim_world_fault_event(w, f->end_ns, index, false);
    }
    w->nodes[f->node].disturbed_ns = w->now_ns;
    kinds[f->kind].apply(w, f, index, starts);
}

void sim_world_heal(struct sim_world *w, const struct sim_network *net)
{
    w->net = *net;
    for (uint16_t i = 0; i < w->capacity; i++) {
        struct sim_node *n = &w->nodes[i];

        n->group = 0;
        n->cut_to = ROSTER_NONE;
        n->in_loss_ppm = n->out_loss_ppm = 0;
        n->failed_disk = n->newer = false;
        if (n->clock)
            n->clock->wrong_ms = 0;
        n->slow_until_ns = 0; /* who is frozen thaws in its own time */
    }
}
