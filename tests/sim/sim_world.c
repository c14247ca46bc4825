#include "sim_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

enum { PROOFS_MAX = 256, ROSTERS_MAX = 4096, CHECK_EVERY = 512 };

static const uint8_t salt[SIPHASH_KEY_SIZE] = "broch simulator";

/* Signatures of the simulated world: only the world knows the owners' secrets. */
static void sim_sign_as(uint64_t seed, uint64_t id, const uint8_t *text, uint8_t *ret)
{
    uint8_t key[SIPHASH_KEY_SIZE];
    uint64_t secret[2] = { rng_mix(seed ^ rng_mix(id)), id };

    memcpy(key, secret, sizeof(key));
    for (size_t i = 0; i < WIRE_SIGNATURE_SIZE; i += 8) {
        uint64_t part = siphash(key, text, WIRE_ALIVE_TEXT_SIZE) + i;

        memcpy(ret + i, &part, 8);
    }
}

static void sim_sign(void *context, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                     uint8_t ret_signature[static WIRE_SIGNATURE_SIZE])
{
    const struct sim_world *w = context;
    struct cursor c = cursor_make(text, WIRE_ALIVE_TEXT_SIZE);

    cursor_skip(&c, 16);
    sim_sign_as(w->seed, cursor_le64(&c), text, ret_signature);
}

static bool sim_verify(void *context, uint64_t id, const uint8_t text[static WIRE_ALIVE_TEXT_SIZE],
                       const uint8_t signature[static WIRE_SIGNATURE_SIZE])
{
    const struct sim_world *w = context;
    uint8_t expected[WIRE_SIGNATURE_SIZE];

    sim_sign_as(w->seed, id, text, expected);
    return memcmp(expected, signature, sizeof(expected)) == 0;
}

static uint64_t local_time(const struct sim_node *n, uint64_t at_ns)
{
    /* In two parts, so that the clock never goes back where a coarser step ends. */
    int64_t coarse = (int64_t)(at_ns >> 20) * n->drift;
    int64_t fine = (int64_t)(at_ns & 0xfffff) * n->drift / (1 << 20);

    return n->offset_ns + at_ns + (uint64_t)(coarse + fine);
}

/* The first world time at which the node's clock shows at least `local_ns`, or shortly after. */
static uint64_t world_time(const struct sim_node *n, uint64_t local_ns)
{
    uint64_t at_ns;

    if (local_ns == UINT64_MAX)
        return UINT64_MAX;
    if (local_ns <= n->offset_ns)
        return 0;
    at_ns = local_ns - n->offset_ns;
    at_ns -= (uint64_t)((int64_t)(at_ns >> 20) * n->drift);
    while (local_time(n, at_ns) < local_ns)
        at_ns += local_ns - local_time(n, at_ns);
    return at_ns;
}

static const struct roster *roster_of(const struct sim_world *w, const struct sim_node *n)
{
    return w->rosters[n->roster];
}

const struct roster *sim_world_roster(const struct sim_world *w)
{
    return w->rosters[w->roster_count - 1];
}

/* False while a node's roster still has a former member in this slot, or none: the tunnel's key
 * would not fit. */
static bool knows(const struct sim_world *w, const struct sim_node *n, uint16_t slot)
{
    const struct roster_member *m = roster_member(roster_of(w, n), slot);

    return m && m->id == w->nodes[slot].id;
}

static struct roster *new_roster(struct sim_world *w)
{
    void *memory = malloc(roster_size(w->capacity));
    struct roster *r;

    CHECK(memory && w->roster_count < ROSTERS_MAX);
    r = roster_init(memory, w->capacity, salt);
    if (w->roster_count > 0)
        roster_copy(r, sim_world_roster(w));
    w->rosters[w->roster_count++] = r;
    return r;
}

void sim_world_violate(struct sim_world *w, uint16_t node, uint16_t subject, const char *what)
{
    if (w->violation)
        return;
    w->violation = what;
    w->violation_node = node;
    w->violation_subject = subject;
}

static void mix_trace(struct sim_world *w, uint64_t value)
{
    w->trace_hash = rng_mix(w->trace_hash ^ value);
}

/* The bounds, counted from outside and on the node's own clock. */
static void account(struct sim_world *w, uint16_t slot, size_t size)
{
    struct sim_node *n = &w->nodes[slot];
    uint64_t local_ns = local_time(n, w->now_ns), bytes = wire_outer_size(size, true);
    uint32_t at = n->sent_at % SWIM_PACKETS_PER_S;

    if (n->sent_at >= SWIM_PACKETS_PER_S && local_ns - n->sent_ns[at] < NS_PER_S)
        sim_world_violate(w, slot, ROSTER_NONE, "more than 20 packets in a second");
    n->sent_ns[at] = local_ns;
    n->sent_bytes[at] = (uint32_t)bytes;
    n->sent_at++;
    bytes = 0;
    for (uint32_t i = 0; i < SWIM_PACKETS_PER_S && i < n->sent_at; i++) {
        if (local_ns - n->sent_ns[i] < NS_PER_S)
            bytes += n->sent_bytes[i];
    }
    if (bytes > SWIM_BYTES_PER_S)
        sim_world_violate(w, slot, ROSTER_NONE, "more than 16 KiB in a second");
    n->packets++;
    n->payload_bytes += size;
    n->outer4_bytes += wire_outer_size(size, false);
    n->outer6_bytes += wire_outer_size(size, true);
}

static uint64_t one_way(struct sim_world *w)
{
    uint64_t delay_ns = w->net.rtt_ns / 2;

    if (w->net.jitter_ppm > 0)
        delay_ns += delay_ns * rng_below(&w->rng, w->net.jitter_ppm) / 1000000;
    if (w->net.reorder_ppm > 0 && rng_chance(&w->rng, w->net.reorder_ppm))
        delay_ns += rng_below(&w->rng, NS_PER_S / 2);
    return delay_ns;
}

static bool is_lost(struct sim_world *w, const struct sim_node *from, const struct sim_node *to,
                    uint16_t to_slot)
{
    if (!knows(w, from, to_slot) || from->group != to->group || from->cut_to == to_slot ||
        !to->core)
        return true;
    if (w->net.loss_ppm > 0 && rng_chance(&w->rng, w->net.loss_ppm))
        return true;
    if (from->out_loss_ppm > 0 && rng_chance(&w->rng, from->out_loss_ppm))
        return true;
    return to->in_loss_ppm > 0 && rng_chance(&w->rng, to->in_loss_ppm);
}

static void transmit(struct sim_world *w, uint16_t from, uint16_t to, const uint8_t *bytes,
                     size_t size)
{
    struct sim_event e = { .kind = SIM_PACKET, .node = to, .from = from, .size = (uint16_t)size };
    unsigned int copies = 1;

    if (w->net.duplicate_ppm > 0 && rng_chance(&w->rng, w->net.duplicate_ppm))
        copies = 2;
    while (copies-- > 0) {
        if (is_lost(w, &w->nodes[from], &w->nodes[to], to)) {
            w->lost++;
            continue;
        }
        e.at_ns = w->now_ns + one_way(w);
        e.life = w->nodes[to].life;
        e.large = NULL;
        if (size > SIM_INLINE_MAX) {
            e.large = malloc(size);
            CHECK(e.large);
        }
        memcpy(e.large ? e.large : e.small, bytes, size);
        sim_queue_push(w->queue, &e);
    }
}

void sim_node_forge(struct sim_world *w, uint16_t slot, uint16_t to, const uint8_t *bytes,
                    size_t size)
{
    if (w->nodes[slot].core && slot != to)
        transmit(w, slot, to, bytes, size);
}

/* A node of the next version puts a kind that we do not know before and behind what we know. */
static void send_newer(struct sim_world *w, uint16_t slot, uint16_t to, const uint8_t *bytes,
                       size_t size)
{
    static const uint8_t future[] = { 0x40 | 60, 4, 1, 2, 3, 4, 0x80 | 1, 2, 7, 7 };
    uint8_t packet[WIRE_PACKET_MAX];

    if (size + 2 * sizeof(future) > sizeof(packet)) {
        transmit(w, slot, to, bytes, size);
        return;
    }
    memcpy(packet, future, sizeof(future));
    memcpy(packet + sizeof(future), bytes, size);
    memcpy(packet + sizeof(future) + size, future, sizeof(future));
    transmit(w, slot, to, packet, size + 2 * sizeof(future));
}

static void check_change(struct sim_world *w, uint16_t slot, const struct swim_change *change)
{
    const struct sim_node *subject = &w->nodes[change->slot];

    if (slot == change->slot && change->standing == WIRE_STANDING_UNREACHABLE)
        sim_world_violate(w, slot, change->slot, "holds itself unreachable");
    if (change->incarnation > subject->incarnation)
        sim_world_violate(w, slot, change->slot,
                          "believes an incarnation that its owner never signed");
}

static void print_change(const struct sim_world *w, const struct sim_change *c)
{
    static const char *const names[] = { "alive", "unstable", "unreachable" };

    printf("%12.6f node %u holds %u %s at %" PRIu32 "\n", (double)w->now_ns / 1e9, c->node,
           c->subject, names[c->standing], c->incarnation);
}

static void take_changes(struct sim_world *w, uint16_t slot)
{
    struct sim_node *n = &w->nodes[slot];

    if (n->core && swim_self(n->core) == slot && swim_incarnation(n->core, slot) > n->incarnation)
        n->incarnation = swim_incarnation(n->core, slot);
    for (size_t i = 0; i < w->out->change_count; i++) {
        const struct swim_change *c = &w->out->changes[i];
        struct sim_change change = { w->now_ns, slot, c->slot, c->standing, c->incarnation };

        if (!knows(w, n, c->slot))
            continue; /* about a member that left */
        check_change(w, slot, c);
        mix_trace(w, (uint64_t)slot << 48 | (uint64_t)c->slot << 32 | c->incarnation << 2 |
                         c->standing);
        if (w->traced == slot || w->traced == c->slot)
            print_change(w, &change);
        if (w->hooks.changed)
            w->hooks.changed(w->hooks.context, w, &change);
    }
}

static void arm(struct sim_world *w, uint16_t slot)
{
    struct sim_node *n = &w->nodes[slot];
    struct sim_event e = { .kind = SIM_TIMER, .node = slot, .life = n->life };

    e.at_ns = world_time(n, n->deadline_ns);
    if (e.at_ns < w->now_ns)
        e.at_ns = w->now_ns; /* overdue after a pause */
    if (e.at_ns >= n->timer_ns)
        return; /* the queued one will look again */
    n->timer_ns = e.at_ns;
    sim_queue_push(w->queue, &e);
}

static void send_all(struct sim_world *w, uint16_t slot)
{
    const struct swim_effects *out = w->out;

    for (size_t i = 0; i < out->send_count; i++) {
        const struct swim_send *s = &out->sends[i];
        const uint8_t *bytes = out->bytes + s->offset;

        if (s->to == slot || !roster_member(roster_of(w, &w->nodes[slot]), s->to))
            sim_world_violate(w, slot, ROSTER_NONE, "sends to itself or to no member");
        if (!w->light && wire_check(bytes, s->size) < 0)
            sim_world_violate(w, slot, ROSTER_NONE, "sends what it would refuse");
        mix_trace(w, w->now_ns ^ (uint64_t)slot << 48 ^ (uint64_t)s->to << 32);
        for (uint16_t j = 0; !w->light && j < s->size; j++)
            mix_trace(w, bytes[j]);
        account(w, slot, s->size);
        if (w->nodes[slot].newer)
            send_newer(w, slot, s->to, bytes, s->size);
        else
            transmit(w, slot, s->to, bytes, s->size);
    }
}

/* Returns what the core said. */
static int step(struct sim_world *w, uint16_t slot, struct swim_event *event)
{
    struct sim_node *n = &w->nodes[slot];
    int r;

    event->now_ns = local_time(n, w->now_ns);
    r = swim_step(n->core, event, w->out);
    w->steps++;
    if (r < 0 && event->kind != SWIM_EVENT_PACKET)
        sim_world_violate(w, slot, ROSTER_NONE, "an event of its own was refused");
    if (w->out->persist && !n->failed_disk) {
        n->written_before = n->written;
        n->written = w->out->incarnation;
    }
    if (r == 0 && w->out->deadline_ns <= event->now_ns)
        sim_world_violate(w, slot, ROSTER_NONE, "deadline is not in the future");
    take_changes(w, slot);
    send_all(w, slot);
    n->deadline_ns = w->out->deadline_ns;
    arm(w, slot);
    if (!w->light && w->steps % CHECK_EVERY == 0)
        swim_check(n->core);
    return r;
}

static void run_timer(struct sim_world *w, uint16_t slot)
{
    struct sim_node *n = &w->nodes[slot];
    struct swim_event event = { .kind = SWIM_EVENT_TIMER };

    n->timer_ns = UINT64_MAX;
    if (local_time(n, w->now_ns) >= n->deadline_ns)
        (void)step(w, slot, &event); /* a refusal is a violation already */
    else
        arm(w, slot);
}

static void run_packet(struct sim_world *w, const struct sim_event *e)
{
    struct sim_node *n = &w->nodes[e->node];
    struct swim_event event = { .kind = SWIM_EVENT_PACKET,
                                .from = e->from,
                                .bytes = sim_event_bytes(e),
                                .size = e->size,
                                .received_ns = e->received_ns };
    bool taken;

    if (event.received_ns == 0)
        event.received_ns = local_time(n, w->now_ns);
    if (roster_member(roster_of(w, n), e->from) && !knows(w, n, e->from))
        return; /* its roster has somebody else there; a free slot is for the core to refuse */
    w->delivered++;
    if (w->light || w->parameters == &swim_parameters_random) {
        (void)step(w, e->node, &event);
        return;
    }
    taken = sim_cells_note(w->cells, n->core, roster_of(w, n), e->from, event.bytes, event.size);
    if ((step(w, e->node, &event) == 0) != taken)
        sim_world_violate(w, e->node, e->from,
                          "took what it must refuse, or refused what it must take");
}

void sim_node_root(struct sim_world *w, uint16_t slot, uint64_t root)
{
    struct swim_event event = { .kind = SWIM_EVENT_ROOT, .root = root };

    (void)step(w, slot, &event); /* a refusal is a violation already */
}

void sim_world_stamp(struct sim_world *w, uint16_t from, uint16_t to, uint64_t stamp)
{
    struct sim_event e = { .kind = SIM_STAMP, .node = to, .from = from };

    mix_trace(w, stamp ^ (uint64_t)to << 48);
    if (is_lost(w, &w->nodes[from], &w->nodes[to], to) || !w->nodes[to].clock)
        return;
    if (w->entry_count == w->entry_capacity) {
        w->entry_capacity = w->entry_capacity ? 2 * w->entry_capacity : 1024;
        w->entries = realloc(w->entries, w->entry_capacity * sizeof(*w->entries));
        CHECK(w->entries);
    }
    e.argument = w->entry_count;
    w->entries[w->entry_count++] = stamp;
    e.at_ns = w->now_ns + one_way(w);
    e.life = w->nodes[to].life;
    sim_queue_push(w->queue, &e);
}

static void freeze_again(struct sim_world *w, uint16_t slot)
{
    struct sim_node *n = &w->nodes[slot];

    if (n->slow_until_ns > w->now_ns && n->frozen_ns <= w->now_ns)
        sim_node_freeze(w, slot, n->slow_for_ns);
}

/* The event for a node that is frozen waits until it thaws; a packet keeps its receive time. */
static bool postpone(struct sim_world *w, struct sim_event *e)
{
    struct sim_node *n = &w->nodes[e->node];

    if (n->frozen_ns <= w->now_ns)
        return false;
    if (e->kind == SIM_PACKET && e->received_ns == 0)
        e->received_ns = local_time(n, w->now_ns);
    if (e->kind == SIM_TIMER)
        n->timer_ns = n->frozen_ns;
    e->at_ns = n->frozen_ns;
    sim_queue_push(w->queue, e);
    return true;
}

static void run_roster(struct sim_world *w, const struct sim_event *e)
{
    struct swim_event event = { .kind = SWIM_EVENT_ROSTER };
    struct sim_node *n = &w->nodes[e->node];

    if (e->argument <= n->roster)
        return;
    n->roster = (uint16_t)e->argument;
    event.roster = roster_of(w, n);
    (void)step(w, e->node, &event); /* a refusal is a violation already */
}

static void run_node_event(struct sim_world *w, struct sim_event *e)
{
    struct sim_node *n = &w->nodes[e->node];

    if (!n->core || e->life != n->life || (e->kind == SIM_TIMER && e->at_ns != n->timer_ns)) {
        free(e->large); /* for a former life, or a timer that an earlier one replaced */
        return;
    }
    if (postpone(w, e))
        return;
    if (e->kind == SIM_TIMER)
        run_timer(w, e->node);
    else if (e->kind == SIM_PACKET)
        run_packet(w, e);
    else if (e->kind == SIM_TICK)
        sim_clock_tick(w, e->node);
    else if (e->kind == SIM_STAMP)
        sim_clock_stamp(w, e);
    else
        run_roster(w, e);
    free(e->large);
}

bool sim_world_run(struct sim_world *w, uint64_t until_ns)
{
    struct sim_event e;

    while (!w->violation && sim_queue_next(w->queue) <= until_ns) {
        CHECK(sim_queue_pop(w->queue, &e));
        CHECK(e.at_ns >= w->now_ns);
        w->now_ns = e.at_ns;
        if (e.kind == SIM_CALL && (e.argument & 0x80000000u))
            freeze_again(w, (uint16_t)e.argument);
        else if (e.kind == SIM_CALL)
            w->hooks.called(w->hooks.context, w, e.argument);
        else if (e.kind == SIM_FAULT_START || e.kind == SIM_FAULT_END)
            w->hooks.fault(w->hooks.context, w, e.argument, e.kind == SIM_FAULT_START);
        else
            run_node_event(w, &e);
    }
    if (!w->violation)
        w->now_ns = until_ns;
    return !w->violation;
}

void sim_world_call(struct sim_world *w, uint64_t at_ns, uint32_t argument)
{
    struct sim_event e = { .kind = SIM_CALL, .at_ns = at_ns, .argument = argument };

    sim_queue_push(w->queue, &e);
}

void sim_world_fault_event(struct sim_world *w, uint64_t at_ns, uint32_t index, bool starts)
{
    struct sim_event e = { .kind = starts ? SIM_FAULT_START : SIM_FAULT_END,
                           .at_ns = at_ns,
                           .argument = index };

    sim_queue_push(w->queue, &e);
}

void sim_node_freeze(struct sim_world *w, uint16_t slot, uint64_t for_ns)
{
    struct sim_node *n = &w->nodes[slot];
    uint64_t until_ns = w->now_ns + for_ns;

    if (until_ns > n->frozen_ns)
        n->frozen_ns = until_ns;
    n->disturbed_ns = until_ns;
    if (n->slow_until_ns > w->now_ns) {
        uint64_t awake_ns = n->slow_for_ns / 2 + rng_below(&w->rng, n->slow_for_ns + 1);

        sim_world_call(w, until_ns + awake_ns, 0x80000000u | slot);
    }
}

void sim_node_slow(struct sim_world *w, uint16_t slot, uint64_t for_ns, uint64_t until_ns)
{
    struct sim_node *n = &w->nodes[slot];

    n->slow_for_ns = for_ns;
    n->slow_until_ns = until_ns;
    sim_world_call(w, w->now_ns + rng_below(&w->rng, for_ns + 1), 0x80000000u | slot);
}

static void keep_counts(struct sim_world *w, const struct sim_node *n)
{
    for (int i = 0; i < SWIM_COUNT_MAX_; i++)
        w->counts[i] += swim_counter(n->core, (enum swim_count)i);
}

void sim_node_crash(struct sim_world *w, uint16_t slot, bool lose_last_write)
{
    struct sim_node *n = &w->nodes[slot];

    if (!n->core)
        return;
    keep_counts(w, n);
    sim_clock_crash(w, slot, lose_last_write);
    n->core = NULL;
    n->life++;
    n->down_since_ns = n->disturbed_ns = w->now_ns;
    if (lose_last_write)
        n->written = n->written_before;
    if (w->traced == slot)
        printf("%12.6f node %u stops\n", (double)w->now_ns / 1e9, slot);
}

void sim_node_start(struct sim_world *w, uint16_t slot)
{
    struct sim_node *n = &w->nodes[slot];
    uint16_t proofs = w->capacity < PROOFS_MAX ? w->capacity : PROOFS_MAX;
    struct swim_config config = { .parameters = w->parameters,
                                  .signer = &w->signer,
                                  .id = n->id,
                                  .seed = rng_next(&w->rng),
                                  .incarnation = n->written,
                                  .proofs = proofs };

    if (n->core || !n->member)
        return;
    n->roster = (uint16_t)(w->roster_count - 1);
    config.roster = roster_of(w, n);
    n->frozen_ns = 0;
    n->sent_at = 0;
    n->timer_ns = UINT64_MAX;
    n->up_since_ns = n->disturbed_ns = w->now_ns;
    if (!n->memory)
        n->memory = malloc(swim_size(w->capacity, proofs));
    CHECK(n->memory);
    n->core = swim_init(n->memory, &config, local_time(n, w->now_ns), &n->deadline_ns);
    if (w->traced == slot)
        printf("%12.6f node %u starts\n", (double)w->now_ns / 1e9, slot);
    arm(w, slot);
    if (!w->light)
        sim_clock_start(w, slot);
}

static void announce_roster(struct sim_world *w)
{
    for (uint16_t slot = 0; slot < w->capacity; slot++) {
        struct sim_event e = { .kind = SIM_ROSTER, .node = slot, .life = w->nodes[slot].life };

        if (!w->nodes[slot].core)
            continue;
        e.argument = (uint32_t)(w->roster_count - 1);
        e.at_ns = w->now_ns + rng_below(&w->rng, 5 * NS_PER_S);
        sim_queue_push(w->queue, &e);
    }
}

uint16_t sim_world_join(struct sim_world *w)
{
    struct roster *r;
    uint16_t slot;

    if (roster_count(sim_world_roster(w)) == w->capacity)
        return ROSTER_NONE;
    r = new_roster(w);
    CHECK(roster_add(r, rng_next(&w->rng) | 1, &slot) == 0);
    roster_seal(r);
    w->nodes[slot].id = roster_member(r, slot)->id;
    w->nodes[slot].member = true;
    w->nodes[slot].incarnation = w->nodes[slot].written = w->nodes[slot].written_before = 0;
    free(w->nodes[slot].clock); /* another machine */
    w->nodes[slot].clock = NULL;
    sim_node_start(w, slot);
    announce_roster(w);
    return slot;
}

void sim_world_leave(struct sim_world *w, uint16_t slot)
{
    struct roster *r;

    if (!w->nodes[slot].member)
        return;
    sim_node_crash(w, slot, false);
    r = new_roster(w);
    CHECK(roster_remove(r, slot) == 0);
    roster_seal(r);
    w->nodes[slot].member = false;
    announce_roster(w);
}

struct sim_world *sim_world_new(uint64_t seed, uint16_t nodes, uint16_t spare,
                                const struct sim_network *net)
{
    struct sim_world *w = calloc(1, sizeof(*w));
    struct roster *r;

    CHECK(w);
    w->seed = seed;
    w->net = *net;
    w->capacity = (uint16_t)(nodes + spare);
    w->traced = ROSTER_NONE;
    w->parameters = &swim_parameters_overlay;
    rng_seed(&w->rng, seed);
    rng_seed(&w->clock_rng, seed ^ 0x636c6f636b);
    w->signer = (struct swim_signer){ w, sim_sign, sim_verify };
    w->nodes = calloc(w->capacity, sizeof(*w->nodes));
    w->rosters = calloc(ROSTERS_MAX, sizeof(struct roster *));
    w->out = calloc(1, sizeof(*w->out));
    w->queue = sim_queue_new();
    CHECK(w->nodes && w->rosters && w->out);
    r = new_roster(w);
    for (uint16_t slot = 0; slot < w->capacity; slot++) {
        struct sim_node *n = &w->nodes[slot];
        uint16_t got;

        n->cut_to = ROSTER_NONE;
        n->offset_ns = rng_below(&w->rng, 1000 * NS_PER_S) + NS_PER_S;
        n->drift = (int64_t)rng_below(&w->rng, 211) - 105; /* 100 ppm either way */
        if (slot >= nodes)
            continue;
        n->id = rng_next(&w->rng) | 1;
        n->member = true;
        CHECK(roster_add(r, n->id, &got) == 0 && got == slot);
    }
    roster_seal(r);
    return w;
}

struct sim_world *sim_world_free(struct sim_world *w)
{
    if (!w)
        return NULL;
    for (uint16_t i = 0; i < w->roster_count; i++)
        free(w->rosters[i]);
    for (uint16_t i = 0; i < w->capacity; i++) {
        free(w->nodes[i].memory);
        free(w->nodes[i].clock);
    }
    free(w->entries);
    sim_queue_free(w->queue);
    free(w->rosters);
    free(w->nodes);
    free(w->out);
    free(w);
    return NULL;
}

uint64_t sim_world_count(const struct sim_world *w, enum swim_count count)
{
    uint64_t sum = w->counts[count];

    for (uint16_t i = 0; i < w->capacity; i++) {
        if (w->nodes[i].core)
            sum += swim_counter(w->nodes[i].core, count);
    }
    return sum;
}

static const char *judge(const struct sim_world *w, uint16_t slot, uint16_t subject)
{
    const struct sim_node *n = &w->nodes[slot], *other = &w->nodes[subject];
    enum wire_standing standing = swim_standing(n->core, subject);

    if (!other->member)
        return NULL;
    if (other->core && standing == WIRE_STANDING_UNREACHABLE)
        return "holds a member unreachable that is up";
    if (!other->core && standing != WIRE_STANDING_UNREACHABLE)
        return "does not know that a member is down";
    return NULL;
}

static bool differ(const struct sim_world *w, uint16_t subject, const struct sim_node *a,
                   const struct sim_node *b)
{
    if (!w->nodes[subject].member)
        return false;
    return swim_standing(a->core, subject) != swim_standing(b->core, subject) ||
           (w->nodes[subject].core &&
            swim_incarnation(a->core, subject) != swim_incarnation(b->core, subject));
}

bool sim_world_converged(const struct sim_world *w, const char **ret_why, uint16_t *ret_node,
                         uint16_t *ret_subject)
{
    const struct sim_node *first = NULL;

    for (uint16_t slot = 0; slot < w->capacity; slot++) {
        const struct sim_node *n = &w->nodes[slot];

        if (!n->core)
            continue;
        *ret_node = slot;
        *ret_subject = ROSTER_NONE;
        *ret_why = "is frozen";
        if (n->frozen_ns > w->now_ns)
            return false;
        for (uint16_t subject = 0; subject < w->capacity; subject++) {
            *ret_subject = subject;
            *ret_why = judge(w, slot, subject);
            if (!*ret_why && first && differ(w, subject, n, first))
                *ret_why = "holds another view than the first node";
            if (*ret_why)
                return false;
        }
        first = n;
    }
    return true;
}
