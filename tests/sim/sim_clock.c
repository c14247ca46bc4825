#include "sim_clock.h"

#include <errno.h>
#include <stdlib.h>

#include "base/number.h"
#include "sim_world.h"

enum { TELL = 3, TICK_MIN_MS = 2000, TICK_SPREAD_MS = 4000 };

/* All clocks count from here, so that one may be set back by minutes. */
#define EPOCH_MS 1700000000000ull

static const char *const state_names[] = {
#define SIM_STATE(symbol, text) [SIM_STATE_##symbol] = text,
#include "sim_state.def"
#undef SIM_STATE
};

const char *sim_state_name(enum sim_state state)
{
    CHECK((size_t)state < ARRAY_SIZE(state_names));
    return state_names[state];
}

static void reached(struct sim_world *w, enum sim_state state)
{
    w->states[state]++;
}

static uint64_t wall_ms(const struct sim_world *w, const struct sim_clock *c)
{
    return (uint64_t)((int64_t)(EPOCH_MS + w->now_ns / NS_PER_MS) + c->wrong_ms);
}

static void next_tick(struct sim_world *w, uint16_t slot)
{
    struct sim_event e = { .kind = SIM_TICK, .node = slot, .life = w->nodes[slot].life };

    e.at_ns = w->now_ns + (TICK_MIN_MS + rng_below(&w->clock_rng, TICK_SPREAD_MS)) * NS_PER_MS;
    sim_queue_push(w->queue, &e);
}

void sim_clock_start(struct sim_world *w, uint16_t slot)
{
    struct sim_clock *c = w->nodes[slot].clock;

    if (!c)
        c = w->nodes[slot].clock = calloc(1, sizeof(*c));
    CHECK(c);
    hlc_init(&c->hlc, c->written);
    c->accepted = c->root = 0;
    c->arrived = c->taken = c->dropped = 0;
    next_tick(w, slot);
}

void sim_clock_crash(struct sim_world *w, uint16_t slot, bool lose_last_write)
{
    struct sim_clock *c = w->nodes[slot].clock;

    if (!lose_last_write || !c)
        return;
    /* A disk that said it had written and had not: what was used below that ceiling may come again,
     * and nothing that was used before. */
    c->written = c->written_before;
    c->used = c->used_before;
    reached(w, SIM_STATE_COMMIT_LOST);
}

/* Writes the ceiling; false when the disk takes nothing. */
static bool reserve(struct sim_world *w, uint16_t slot)
{
    struct sim_clock *c = w->nodes[slot].clock;

    if (w->nodes[slot].failed_disk)
        return false;
    if (c->hlc.ceiling < c->written)
        sim_world_violate(w, slot, ROSTER_NONE, "the ceiling of its stamps went back");
    c->written_before = c->written;
    c->used_before = c->used;
    c->written = c->hlc.ceiling;
    reached(w, SIM_STATE_CLOCK_RESERVED);
    return true;
}

static void send_stamp(struct sim_world *w, uint16_t from, uint64_t stamp)
{
    const struct roster_member *m = roster_member(sim_world_roster(w), from);

    for (int i = 0; m && i < TELL && m->observer_count > 0; i++)
        sim_world_stamp(w, from, m->observers[rng_below(&w->clock_rng, m->observer_count)], stamp);
}

static void issue(struct sim_world *w, uint16_t slot)
{
    struct sim_clock *c = w->nodes[slot].clock;
    uint64_t stamp, wall = wall_ms(w, c);
    int r = hlc_issue(&c->hlc, wall, &stamp);

    if (r < 0) {
        sim_world_violate(w, slot, ROSTER_NONE, "its clock has no stamp left");
        return;
    }
    if (stamp <= c->used)
        sim_world_violate(w, slot, ROSTER_NONE, "issued a stamp that is not above its former ones");
    if (stamp <= c->accepted)
        sim_world_violate(w, slot, ROSTER_NONE,
                          "issued a stamp that is not above what it accepted");
    if (hlc_stamp_ms(stamp) < wall)
        sim_world_violate(w, slot, ROSTER_NONE, "issued a stamp behind its wall clock");
    if (r == 1 && !reserve(w, slot)) {
        hlc_write_failed(&c->hlc, c->written);
        reached(w, SIM_STATE_CLOCK_REFUSED);
        return;
    }
    if (stamp >= c->written)
        sim_world_violate(w, slot, ROSTER_NONE, "used a stamp that its disk does not cover");
    if (hlc_stamp_ms(stamp) > wall)
        reached(w, SIM_STATE_CLOCK_BEHIND);
    c->used = stamp;
    c->root ^= rng_mix(stamp);
    reached(w, SIM_STATE_CLOCK_ISSUED);
    send_stamp(w, slot, stamp);
}

static void take(struct sim_clock *c, uint64_t stamp)
{
    c->root ^= rng_mix(stamp);
    if (stamp > c->accepted)
        c->accepted = stamp;
}

/* The world's own idea of "too far ahead", not the clock's. */
static bool is_ahead(const struct sim_world *w, const struct sim_clock *c, uint64_t stamp)
{
    return (stamp >> 16) > wall_ms(w, c) + 60000;
}

void sim_clock_stamp(struct sim_world *w, const struct sim_event *e)
{
    struct sim_clock *c = w->nodes[e->node].clock;
    uint64_t stamp = w->entries[e->argument], dropped;
    size_t former = c->hlc.deferred_count;
    bool ahead = is_ahead(w, c, stamp);
    int r = hlc_accept(&c->hlc, wall_ms(w, c), stamp, e->argument, &dropped);

    c->arrived++;
    if ((r != 0) != ahead)
        sim_world_violate(w, e->node, e->from,
                          ahead ? "accepted a stamp of the future"
                                : "put off a stamp that was due");
    if (r == 0) {
        take(c, stamp);
        c->taken++;
        reached(w, SIM_STATE_CLOCK_ACCEPTED);
    } else if (r == 1) {
        reached(w, SIM_STATE_CLOCK_DEFERRED);
    } else {
        if (r != -ENOSPC || former < HLC_DEFERRED_MAX || w->entries[dropped] < stamp)
            sim_world_violate(w, e->node, e->from, "dropped an entry without need");
        c->dropped++;
        reached(w, SIM_STATE_CLOCK_FULL);
    }
}

static void take_due(struct sim_world *w, uint16_t slot)
{
    struct sim_clock *c = w->nodes[slot].clock;
    uint64_t handle, former = 0;

    while (hlc_take_due(&c->hlc, wall_ms(w, c), &handle)) {
        uint64_t stamp = w->entries[handle];

        if (stamp < former || is_ahead(w, c, stamp))
            sim_world_violate(w, slot, ROSTER_NONE, "took deferred entries out of order or early");
        former = stamp;
        take(c, stamp);
        c->taken++;
        reached(w, SIM_STATE_CLOCK_DUE);
    }
    for (size_t i = 0; i < c->hlc.deferred_count; i++) {
        if (!is_ahead(w, c, w->entries[c->hlc.deferred[i].handle]))
            sim_world_violate(w, slot, ROSTER_NONE, "left a deferred entry that is due");
    }
    if (c->arrived != c->taken + c->dropped + c->hlc.deferred_count)
        sim_world_violate(w, slot, ROSTER_NONE, "lost an entry or took it twice");
}

void sim_clock_tick(struct sim_world *w, uint16_t slot)
{
    uint64_t root = w->nodes[slot].clock->root;

    take_due(w, slot);
    issue(w, slot);
    if (w->nodes[slot].clock->root != root)
        reached(w, SIM_STATE_ROOT_CHANGED);
    sim_node_root(w, slot, w->nodes[slot].clock->root);
    next_tick(w, slot);
}

void sim_clock_forge(struct sim_world *w, uint16_t slot, uint16_t to, uint64_t ahead_ms)
{
    uint64_t ms = EPOCH_MS + w->now_ns / NS_PER_MS + ahead_ms;

    sim_world_stamp(w, slot, to, hlc_stamp_make(ms, (uint16_t)ahead_ms));
}
