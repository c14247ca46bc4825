/* Edges of the overlay: our beats to observers, the beats of our subjects, and damping. */
#include "org/swim_state.h"

#include <string.h>

/* Before the first beat of a subject is missed: a whole turn of ten, and two. */
enum { FIRST_TURN = 12, TURN_DEFAULT = ROSTER_OBSERVERS_MAX, EARLY_PROBES = 2 };

enum { GONE_SWEEP = 4, GONE_MAX = 8, RETRIES_MAX = 4 };

#define SWEEP_NS   (200 * NS_PER_MS) /* between two subjects */
#define RETRY_NS   NS_PER_S
#define ORPHANS_NS NS_PER_S
#define SWEPT_NS   (2 * NS_PER_S) /* whoever was heard since is left alone */

/* How much each step of the subject's own health adds to its grace. */
#define HEALTH_GRACE_NS (25 * NS_PER_MS)

struct edge *edge_find(struct swim *s, uint16_t slot)
{
    for (uint8_t i = 0; i < s->edge_count; i++) {
        if (s->edges[i].slot == slot)
            return &s->edges[i];
    }
    return NULL;
}

static struct edge edge_make(struct swim *s, uint16_t slot)
{
    return (struct edge){
        .slot = slot,
        .turn = TURN_DEFAULT,
        .voucher = ROSTER_NONE,
        .due_ns = s->now_ns + FIRST_TURN * s->p->beat_ns,
        .heard_ns = s->now_ns,
        .order = ++s->order,
    };
}

void edges_rebuild(struct swim *s)
{
    const struct roster_member *m = roster_member(s->roster, s->self);
    struct edge fresh[EDGES_MAX];
    uint8_t fresh_count = 0;

    for (uint8_t i = 0; m && i < m->observer_count; i++) {
        const struct edge *former = edge_find(s, m->observers[i]);

        fresh[fresh_count++] = former ? *former : edge_make(s, m->observers[i]);
    }
    memcpy(s->edges, fresh, fresh_count * sizeof(fresh[0]));
    s->edge_count = fresh_count;
}

static bool is_held(const struct swim *s, uint16_t slot, enum wire_standing standing)
{
    return s->members[slot].standing == standing;
}

void watch_heard(struct swim *s, uint16_t slot, uint64_t received_ns)
{
    struct edge *e = edge_find(s, slot);

    if (!e)
        return;
    e->voucher = ROSTER_NONE;
    if (received_ns > e->heard_ns)
        e->heard_ns = received_ns;
}

/* The smoothed distance between when beats came and when they were due. */
static void learn_delay(const struct swim *s, struct edge *e, uint64_t received_ns)
{
    uint64_t off = received_ns > e->due_ns ? received_ns - e->due_ns : e->due_ns - received_ns;

    if (!e->heard || off > s->p->beat_ns / 4)
        return; /* a beat was lost or the turn changed: no measure of delay */
    e->deviation_ns = (7 * e->deviation_ns + off) / 8;
}

void watch_beat(struct swim *s, uint16_t from, const struct wire_beat *beat, uint64_t received_ns)
{
    struct edge *e = edge_find(s, from);

    if (!e)
        return; /* its roster differs from ours for a while */
    if (e->heard && (uint8_t)(beat->number - e->number) > 128)
        return; /* overtaken by a later one */
    if (s->members[from].standing == WIRE_STANDING_UNREACHABLE)
        return; /* watched again when it has refuted that */
    learn_delay(s, e, received_ns);
    e->heard = true;
    e->early = 0;
    e->hold_ns = 0;
    e->voted = false;
    e->retries = 0;
    e->number = beat->number;
    e->turn = beat->turn;
    e->health = beat->health;
    e->due_ns = received_ns + beat->turn * s->p->beat_ns;
}

static uint64_t grace(const struct swim *s, const struct edge *e)
{
    uint64_t ns = 4 * e->deviation_ns;

    if (ns < s->p->grace_min_ns)
        ns = s->p->grace_min_ns;
    ns += e->health * HEALTH_GRACE_NS;
    return earlier(ns, s->p->grace_max_ns);
}

uint64_t watch_window(const struct swim *s, const struct edge *e)
{
    return earlier(s->p->window_ns << e->widen, s->p->window_max_ns);
}

/* The beat that was due is given up: we look for the one after it. */
static void await_next(struct swim *s, struct edge *e)
{
    uint64_t turn_ns = e->turn * s->p->beat_ns;

    e->early = 0;
    e->hold_ns = 0;
    e->due_ns += turn_ns;
    if (e->due_ns < s->now_ns)
        e->due_ns = s->now_ns + turn_ns;
}

/* Looks at it again then, if it is not heard until then. */
static void watch_again(struct swim *s, uint16_t slot, uint64_t in_ns)
{
    struct edge *e = edge_find(s, slot);

    if (!e || (e->due_ns > s->now_ns && e->due_ns <= s->now_ns + in_ns))
        return;
    e->due_ns = earlier(e->due_ns, s->now_ns);
    e->hold_ns = s->now_ns + in_ns;
    e->early = EARLY_PROBES;
}

/* An inquiry about it came to nothing. The first time that is loss; when it goes on, asking every
 * second would use up the budget that finding out the truth by other ways needs. */
void watch_retry(struct swim *s, uint16_t slot)
{
    struct edge *e = edge_find(s, slot);

    if (!e)
        return;
    watch_again(s, slot, RETRY_NS << e->retries);
    if (e->retries < RETRIES_MAX)
        e->retries++;
}

/* When the beat that is due is overdue. */
static uint64_t overdue_ns(const struct swim *s, const struct edge *e)
{
    uint64_t ns = e->due_ns + grace(s, e);

    return ns > e->hold_ns ? ns : e->hold_ns;
}

static void probe_alone(struct swim *s, const struct edge *e, enum wire_standing standing)
{
    struct wire_frame f = { .kind = WIRE_PROBE };

    f.probe.standing = standing;
    f.probe.incarnation = s->members[e->slot].incarnation;
    (void)frame_send(s, &f, e->slot, SEND_INQUIRY); /* the inquiry that follows asks again */
}

static void overdue(struct swim *s, struct edge *e)
{
    bool heard = e->heard_ns >= e->due_ns;
    uint64_t window_ns = watch_window(s, e);

    if (!heard && inquiry_is_helping(s, e->slot)) {
        /* Another observer asks already: in a split, five would ask the same at once. Ours waits
         * for what comes of it. */
        e->due_ns = s->now_ns;
        return;
    }
    if (!heard && budget_used(s) > OPEN_USED_MAX) {
        watch_again(s, e->slot, POSTPONE_NS);
        return;
    }
    await_next(s, e);
    if (heard)
        return;
    if (is_held(s, e->slot, WIRE_STANDING_UNSTABLE)) {
        if (s->now_ns - e->heard_ns < s->p->silence_ns) {
            count(s, SWIM_COUNT_GAP_PROBES);
            probe_alone(s, e, WIRE_STANDING_UNSTABLE);
            return;
        }
        window_ns = s->p->window_max_ns;
    }
    (void)inquiry_start(s, e->slot, PURPOSE_OPEN, window_ns); /* pool full: the next beat tells */
}

/* When the next thing is to be done about the beat that is due. */
static uint64_t next_look_ns(const struct swim *s, const struct edge *e)
{
    if (e->early == EARLY_PROBES)
        return overdue_ns(s, e);
    return e->due_ns + (e->early + 1u) * grace(s, e) / (EARLY_PROBES + 1);
}

static void watch_edge(struct swim *s, struct edge *e)
{
    if (s->now_ns >= e->narrow_ns && e->widen > 0) {
        e->widen--;
        e->narrow_ns = s->now_ns + s->p->damping_ns;
    }
    if (is_held(s, e->slot, WIRE_STANDING_UNREACHABLE))
        return;
    /* Two probes of our own settle nearly every lost beat without troubling nine others. */
    if (e->early < EARLY_PROBES && s->now_ns >= next_look_ns(s, e)) {
        e->early++;
        if (e->heard_ns < e->due_ns && !inquiry_is_crowded(s)) {
            count(s, SWIM_COUNT_EARLY_PROBES);
            probe_alone(s, e, WIRE_STANDING_ALIVE);
        }
    }
    if (s->now_ns >= overdue_ns(s, e))
        overdue(s, e);
}

bool watch_is_doubted(struct swim *s, uint8_t edge)
{
    const struct edge *e = &s->edges[edge];

    return e->early > 0 || e->hold_ns > s->now_ns || inquiry_find(s, e->slot);
}

static void beat(struct swim *s)
{
    struct wire_frame f = { .kind = WIRE_BEAT };
    struct edge *next = NULL;
    uint8_t listening = 0;

    for (uint8_t i = 0; i < s->edge_count; i++) {
        struct edge *e = &s->edges[i];

        if (is_held(s, e->slot, WIRE_STANDING_UNREACHABLE))
            continue;
        listening++;
        if (!next || e->order < next->order)
            next = e;
    }
    if (!next)
        return;
    next->order = ++s->order;
    f.beat.turn = listening;
    f.beat.health = s->health;
    f.beat.incarnation = s->members[s->self].incarnation;
    f.beat.number = s->beat_number++;
    f.beat.digest = digest_short(s->digest, f.beat.number);
    f.beat.root = s->root;
    if (frame_send(s, &f, next->slot, SEND_BEAT))
        count(s, SWIM_COUNT_BEATS);
}

/* A verdict was taken. Where several come together there will be more: we do not wait for each
 * subject's own turn to find it out. */
void watch_gone(struct swim *s)
{
    if (s->gone_count == 0)
        s->gone_ns = s->now_ns;
    if (s->gone_count < GONE_MAX)
        s->gone_count++;
    if (s->gone_count < GONE_SWEEP)
        return;
    if (s->sweep_ns == NEVER_NS)
        s->sweep_ns = s->now_ns + rng_below(&s->rng, SWEEP_NS);
    s->orphans_ns = earlier(s->orphans_ns, s->now_ns + ORPHANS_NS);
}

static void forget_gone(struct swim *s)
{
    while (s->gone_count > 0 && s->now_ns >= s->gone_ns + NS_PER_S) {
        s->gone_count--;
        s->gone_ns += NS_PER_S;
    }
}

static void sweep(struct swim *s)
{
    struct edge *oldest = NULL;

    s->sweep_ns = NEVER_NS;
    if (s->gone_count == 0)
        return;
    for (uint8_t i = 0; i < s->edge_count; i++) {
        struct edge *e = &s->edges[i];

        if (is_held(s, e->slot, WIRE_STANDING_UNREACHABLE) || e->due_ns <= s->now_ns ||
            s->now_ns - e->heard_ns < SWEPT_NS || inquiry_find(s, e->slot))
            continue;
        if (!oldest || e->heard_ns < oldest->heard_ns)
            oldest = e;
    }
    if (oldest) {
        oldest->due_ns = s->now_ns;
        oldest->early = 0;
    }
    s->sweep_ns = s->now_ns + SWEEP_NS;
}

void watch_run(struct swim *s)
{
    if (s->self == ROSTER_NONE)
        return;
    forget_gone(s);
    if (s->now_ns >= s->sweep_ns)
        sweep(s);
    if (s->now_ns >= s->beat_ns) {
        beat(s);
        /* On schedule, so that what observers were promised holds; after a pause, from now. */
        s->beat_ns += s->p->beat_ns;
        if (s->beat_ns <= s->now_ns)
            s->beat_ns = s->now_ns + s->p->beat_ns;
    }
    for (uint8_t i = 0; i < s->edge_count; i++)
        watch_edge(s, &s->edges[i]);
}

uint64_t watch_deadline(const struct swim *s)
{
    uint64_t next_ns = earlier(s->beat_ns, s->sweep_ns);

    if (s->self == ROSTER_NONE)
        return NEVER_NS;
    for (uint8_t i = 0; i < s->edge_count; i++) {
        const struct edge *e = &s->edges[i];

        if (!is_held(s, e->slot, WIRE_STANDING_UNREACHABLE))
            next_ns = earlier(next_ns, next_look_ns(s, e));
    }
    return next_ns;
}

void watch_strike(struct swim *s, struct edge *e)
{
    count(s, SWIM_COUNT_STRIKES);
    memmove(e->strikes_ns + 1, e->strikes_ns, (STRIKES_MAX - 1) * sizeof(e->strikes_ns[0]));
    e->strikes_ns[0] = s->now_ns;
    e->voted = false;
    if (s->p->window_ns << e->widen < s->p->window_max_ns)
        e->widen++;
    e->narrow_ns = s->now_ns + s->p->damping_ns;
    if (e->strikes_ns[STRIKES_MAX - 1] != 0 &&
        s->now_ns - e->strikes_ns[STRIKES_MAX - 1] <= s->p->damping_ns &&
        is_held(s, e->slot, WIRE_STANDING_ALIVE)) {
        count(s, SWIM_COUNT_UNSTABLE_SAID);
        record_set(s, e->slot, s->members[e->slot].incarnation, WIRE_STANDING_UNSTABLE);
        news_tell(s, e->slot, TELL_ALL);
    }
}

/* We slept: what fell due meanwhile may wait in the socket. */
void watch_shift(struct swim *s, uint64_t late_ns)
{
    for (uint8_t i = 0; i < s->edge_count; i++) {
        struct edge *e = &s->edges[i];

        if (e->due_ns < s->now_ns)
            e->due_ns = earlier(e->due_ns + late_ns, s->now_ns);
        e->early = 0;
    }
}
