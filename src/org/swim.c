#include "org/swim_state.h"

#include <errno.h>
#include <string.h>

const struct swim_parameters swim_parameters_overlay = {
    /* Ten observers in turn: each edge is used every 9.5 s, below WireGuard's passive keep-alive of
     * 10 s, which would cost 60 bytes more on every edge. */
    .beat_ns = 950 * NS_PER_MS,     .grace_min_ns = 150 * NS_PER_MS, .grace_max_ns = NS_PER_S,
    .window_ns = 550 * NS_PER_MS,   .window_max_ns = 12 * NS_PER_S,  .late_ns = 100 * NS_PER_MS,
    .damping_ns = 600 * NS_PER_S,   .quiet_min_ns = 120 * NS_PER_S,  .quiet_max_ns = 600 * NS_PER_S,
    .silence_ns = 60 * NS_PER_S,    .try_min_ns = 5 * NS_PER_S,      .try_max_ns = 60 * NS_PER_S,
    .batch_ns = 5 * NS_PER_MS,      .settled_ns = 3 * NS_PER_S,      .repair_min_ns = 5 * NS_PER_S,
    .repair_max_ns = 60 * NS_PER_S,
};

/* memberlist's for a local network; the durations that the two sets share are the same. */
const struct swim_parameters swim_parameters_random = {
    .window_ns = 550 * NS_PER_MS,
    .window_max_ns = 12 * NS_PER_S,
    .late_ns = 100 * NS_PER_MS,
    .damping_ns = 600 * NS_PER_S,
    .quiet_min_ns = 120 * NS_PER_S,
    .quiet_max_ns = 600 * NS_PER_S,
    .silence_ns = 60 * NS_PER_S,
    .try_min_ns = 5 * NS_PER_S,
    .try_max_ns = 60 * NS_PER_S,
    .batch_ns = 5 * NS_PER_MS,
    .settled_ns = 3 * NS_PER_S,
    .repair_min_ns = 5 * NS_PER_S,
    .repair_max_ns = 60 * NS_PER_S,
    .period_ns = NS_PER_S,
    .timeout_ns = 500 * NS_PER_MS,
    .gossip_ns = 200 * NS_PER_MS,
    .exchange_ns = 30 * NS_PER_S,
    .indirect = 3,
    .gossip_members = 3,
    .retransmit = 4,
    .suspicion = 4,
    .suspicion_longer = 6,
    .awareness_max = 8,
};

enum { LATE_HEALTH = 3 };

static const char *const count_names[] = {
#define SWIM_COUNT(symbol, text) [SWIM_COUNT_##symbol] = text,
#include "org/swim_count.def"
#undef SWIM_COUNT
};

const char *swim_count_name(enum swim_count count)
{
    CHECK((size_t)count < ARRAY_SIZE(count_names));
    return count_names[count];
}

size_t swim_size(uint16_t capacity, uint16_t proofs)
{
    CHECK(capacity > 0 && capacity <= ROSTER_CAPACITY_MAX);
    CHECK(proofs > 0 && proofs <= SWIM_PROOFS_MAX);
    return sizeof(struct swim) + capacity * (sizeof(struct member) + sizeof(uint16_t)) +
           proofs * sizeof(struct proof);
}

static void join_roster(struct swim *s)
{
    s->self = roster_find(s->roster, s->id);
    if (swim_is_random(s)) {
        random_join(s);
        return;
    }
    edges_rebuild(s);
    if (s->self != ROSTER_NONE && s->beat_ns == NEVER_NS)
        s->beat_ns = s->now_ns + rng_below(&s->rng, s->p->beat_ns);
}

static uint64_t next_deadline(const struct swim *s)
{
    uint64_t next_ns = earlier(s->health_ns, s->quiet_end_ns);

    next_ns = earlier(next_ns, swim_is_random(s) ? random_deadline(s) : watch_deadline(s));
    next_ns = earlier(next_ns, inquiry_deadline(s));
    next_ns = earlier(next_ns, s->flush_ns);
    next_ns = earlier(next_ns, s->orphans_ns);
    if (s->unreachable_count > 0)
        next_ns = earlier(next_ns, s->try_ns);
    /* Whatever a rule above forgot, the loop must not spin. */
    return next_ns > s->now_ns ? next_ns : s->now_ns + NS_PER_MS;
}

struct swim *swim_init(void *memory, const struct swim_config *config, uint64_t now_ns,
                       uint64_t *ret_deadline_ns)
{
    struct swim *s = memory;

    memset(memory, 0, swim_size(roster_capacity(config->roster), config->proofs));
    s->p = config->parameters;
    s->signer = config->signer;
    s->roster = config->roster;
    s->id = config->id;
    s->capacity = roster_capacity(config->roster);
    s->proof_count = config->proofs;
    s->members = (struct member *)(s + 1);
    s->proofs = (struct proof *)(s->members + s->capacity);
    s->random.order = (uint16_t *)(s->proofs + s->proof_count);
    for (uint16_t i = 0; i < s->proof_count; i++)
        s->proofs[i].slot = ROSTER_NONE;
    s->own.slot = ROSTER_NONE;
    rng_seed(&s->rng, config->seed);
    s->now_ns = now_ns;
    s->beat_number = (uint8_t)rng_next(&s->rng);
    s->number = (uint16_t)rng_next(&s->rng);
    s->beat_ns = s->flush_ns = s->health_ns = s->quiet_end_ns = s->sweep_ns = s->orphans_ns =
        NEVER_NS;
    s->news_head = s->news_tail = ROSTER_NONE;
    s->try_interval_ns = s->p->try_min_ns;
    s->repair_interval_ns = s->p->repair_min_ns;
    s->try_ns = now_ns + rng_below(&s->rng, s->p->try_min_ns);
    join_roster(s);
    if (s->self != ROSTER_NONE && config->incarnation > 0) {
        s->members[s->self].incarnation = config->incarnation;
        self_sign(s);
    }
    records_rehash(s);
    s->deadline_ns = next_deadline(s);
    *ret_deadline_ns = s->deadline_ns;
    return s;
}

void records_rehash(struct swim *s)
{
    s->digest = 0;
    s->unreachable_count = 0;
    memset(s->sums, 0, sizeof(s->sums));
    for (uint16_t slot = 0; slot < s->capacity; slot++) {
        const struct roster_member *r = roster_member(s->roster, slot);
        const struct member *m = &s->members[slot];
        uint64_t hash;

        if (!r)
            continue;
        hash = record_hash(r->id, m->incarnation, (enum wire_standing)m->standing);
        s->digest ^= hash;
        s->sums[record_bucket(r->id)] ^= (uint32_t)hash;
        s->unreachable_count =
            (uint16_t)(s->unreachable_count + (m->standing == WIRE_STANDING_UNREACHABLE));
    }
}

static bool same_member(const struct roster *a, const struct roster *b, uint16_t slot)
{
    const struct roster_member *first = roster_member(a, slot), *second = roster_member(b, slot);

    return (first ? first->id : 0) == (second ? second->id : 0);
}

static void change_roster(struct swim *s, const struct roster *roster)
{
    const struct roster *former = s->roster;
    bool gone = false;

    CHECK(roster_capacity(roster) == s->capacity);
    news_drop_edges(s);
    s->roster = roster;
    for (uint16_t slot = 0; slot < s->capacity; slot++) {
        struct proof *p = &s->proofs[slot % s->proof_count];

        if (same_member(former, roster, slot))
            continue;
        if (roster_member(former, slot))
            gone = true;
        s->members[slot] = (struct member){ .incarnation = 0 };
        if (p->slot == slot)
            p->slot = ROSTER_NONE;
    }
    if (gone)
        inquiry_void(s); /* subjects, callers and reporters may be among them */
    join_roster(s);
    records_rehash(s);
}

/* "Own slowness is no evidence": what we missed while we slept may wait in the socket. */
static void notice_lateness(struct swim *s, const struct swim_event *event)
{
    uint64_t late_ns = s->now_ns > s->deadline_ns ? s->now_ns - s->deadline_ns : 0;

    if (swim_is_random(s))
        return; /* its awareness takes the place of this */
    if (event->kind == SWIM_EVENT_PACKET && s->now_ns - event->received_ns > late_ns)
        late_ns = s->now_ns - event->received_ns;
    if (late_ns <= s->p->late_ns)
        return;
    inquiry_void(s);
    watch_shift(s, late_ns);
    self_gap(s);
    if (s->voided_ns != 0 && s->now_ns - s->voided_ns < NS_PER_S)
        return; /* still the same pause */
    s->voided_ns = s->now_ns;
    count(s, SWIM_COUNT_VOIDED);
    s->health = (uint8_t)earlier(s->health + LATE_HEALTH, WIRE_HEALTH_MAX);
    s->health_ns = s->now_ns + HEALTH_NS;
}

static void take_frame(struct swim *s, const struct swim_event *event, const struct wire_frame *f)
{
    switch (f->kind) {
    case WIRE_BEAT:
        news_owner_word(s, event->from, f->beat.incarnation);
        watch_beat(s, event->from, &f->beat, event->received_ns);
        repair_digest(s, event->from, &f->beat);
        repair_beat(s, event->from, f->beat.incarnation);
        break;
    case WIRE_PROBE:
        self_probed(s, event->from, &f->probe);
        break;
    case WIRE_ANSWER:
        news_owner_word(s, event->from, f->answer.incarnation);
        random_answered(s, event->from);
        break;
    case WIRE_CALL:
        if (swim_is_random(s))
            random_call(s, event->from, &f->call);
        else
            inquiry_call(s, event->from, &f->call);
        break;
    case WIRE_REPORT:
        if (swim_is_random(s))
            random_report(s, &f->report);
        else
            inquiry_report(s, event->from, &f->report);
        break;
    case WIRE_SUSPECT:
        random_suspect(s, event->from, &f->suspect);
        break;
    case WIRE_UNREACHABLE:
        news_unreachable(s, event->from, f->unreachable.subject, f->unreachable.incarnation);
        break;
    case WIRE_SIGNED:
        news_signed(s, event->from, &f->proved);
        break;
    case WIRE_UNSTABLE:
        news_unstable(s, event->from, f->unstable.subject, f->unstable.incarnation);
        break;
    case WIRE_SUMMARY:
        repair_summary(s, event->from, &f->summary);
        break;
    case WIRE_HELD:
        repair_held(s, event->from, &f->held, false);
        break;
    case WIRE_KIND_MAX_:
    default:
        check_failed("a kind that the decoder knows", __FILE__, __LINE__);
    }
}

static void take_packet(struct swim *s, const struct swim_event *event)
{
    struct cursor c = cursor_make(event->bytes, event->size);
    struct wire_frame frame;

    if (event->received_ns > s->heard_ns)
        s->heard_ns = event->received_ns;
    watch_heard(s, event->from, event->received_ns);
    inquiry_heard(s, event->from, event->received_ns);
    while (wire_next(&c, &frame) == 1)
        take_frame(s, event, &frame);
    repair_seen(s, event->from);
}

static int refuse(struct swim *s, const struct swim_event *event)
{
    if (event->kind != SWIM_EVENT_PACKET)
        return 0;
    CHECK(event->received_ns <= event->now_ns);
    if (s->self == ROSTER_NONE || event->from == s->self ||
        !roster_member(s->roster, event->from)) {
        count(s, SWIM_COUNT_STRANGERS);
        return -ENOENT;
    }
    if (wire_check(event->bytes, event->size) < 0) {
        count(s, SWIM_COUNT_MALFORMED);
        return -EBADMSG;
    }
    return 0;
}

int swim_step(struct swim *s, const struct swim_event *event, struct swim_effects *out)
{
    int r = refuse(s, event);

    CHECK(event->now_ns >= s->now_ns);
    out->persist = false;
    out->send_count = 0;
    out->change_count = 0;
    out->byte_count = 0;
    out->deadline_ns = s->deadline_ns;
    if (r < 0)
        return r;
    s->now_ns = event->now_ns;
    s->out = out;
    notice_lateness(s, event);
    if (event->kind == SWIM_EVENT_PACKET)
        take_packet(s, event);
    else if (event->kind == SWIM_EVENT_ROSTER)
        change_roster(s, event->roster);
    else if (event->kind == SWIM_EVENT_ROOT)
        s->root = event->root;
    self_run(s);
    if (swim_is_random(s))
        random_run(s);
    else
        watch_run(s);
    inquiry_run(s);
    repair_run(s);
    if (!swim_is_random(s))
        news_flush(s);
    s->deadline_ns = next_deadline(s);
    out->deadline_ns = s->deadline_ns;
    if (s->self != ROSTER_NONE)
        out->incarnation = s->members[s->self].incarnation;
    s->out = NULL;
    return 0;
}

enum wire_standing swim_standing(const struct swim *s, uint16_t slot)
{
    CHECK(slot < s->capacity);
    return (enum wire_standing)s->members[slot].standing;
}

uint32_t swim_incarnation(const struct swim *s, uint16_t slot)
{
    CHECK(slot < s->capacity);
    return s->members[slot].incarnation;
}

uint16_t swim_self(const struct swim *s)
{
    return s->self;
}

uint64_t swim_view_digest(const struct swim *s)
{
    return s->digest;
}

uint64_t swim_counter(const struct swim *s, enum swim_count which)
{
    CHECK(which < SWIM_COUNT_MAX_);
    return s->counters[which];
}

void swim_check(const struct swim *s)
{
    struct swim again = *s;
    uint16_t listed = 0, in_list = 0;

    records_rehash(&again);
    CHECK(again.digest == s->digest && again.unreachable_count == s->unreachable_count);
    CHECK(memcmp(again.sums, s->sums, sizeof(s->sums)) == 0);
    for (uint16_t slot = 0; slot < s->capacity; slot++)
        listed = (uint16_t)(listed + s->members[slot].listed);
    for (uint16_t slot = s->news_head; slot != ROSTER_NONE; slot = s->members[slot].next)
        CHECK(++in_list <= s->capacity);
    CHECK(listed == in_list);
    CHECK(s->self == ROSTER_NONE || s->members[s->self].standing != WIRE_STANDING_UNREACHABLE);
}
