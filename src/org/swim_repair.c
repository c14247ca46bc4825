/* What news missed: comparing views with neighbours, and looking for members that came back. */
#include "org/swim_state.h"

#include <string.h>

#define ORPHANS_FOR_NS (10 * NS_PER_S)

enum { REPAIR_PACKETS_MAX = 3, ADOPT_PACKETS_MAX = 6, ISLAND_ASKS = 8, UNOBSERVED_MAX = 1 };

/* The record of a member that nothing ever happened to is zero, so that nodes whose rosters differ
 * for a while agree all the same. */
uint64_t record_hash(uint64_t id, uint32_t incarnation, enum wire_standing standing)
{
    if (incarnation == 0 && standing == WIRE_STANDING_ALIVE)
        return 0;
    return rng_mix(id ^ rng_mix((uint64_t)incarnation << 2 | standing));
}

uint8_t record_bucket(uint64_t id)
{
    return (uint8_t)(rng_mix(id) % WIRE_BUCKETS);
}

uint8_t digest_short(uint64_t digest, uint8_t number)
{
    return (uint8_t)rng_mix(digest ^ (uint64_t)number << 56);
}

static void send_summary(struct swim *s, uint16_t to, bool asks, enum send_class class)
{
    struct wire_frame f = { .kind = WIRE_SUMMARY };

    f.summary.asks = asks;
    memcpy(f.summary.sums, s->sums, sizeof(f.summary.sums));
    (void)frame_send(s, &f, to, class); /* the next beat shows the difference again */
}

void repair_digest(struct swim *s, uint16_t from, const struct wire_beat *beat)
{
    if (digest_short(s->digest, beat->number) == beat->digest)
        return;
    if (s->changed_ns > s->summary_ns)
        s->repair_interval_ns = s->p->repair_min_ns;
    if (s->now_ns - s->changed_ns < s->p->settled_ns ||
        (s->summary_ns != 0 && s->now_ns - s->summary_ns < s->repair_interval_ns))
        return;
    s->summary_ns = s->now_ns;
    s->repair_interval_ns = earlier(2 * s->repair_interval_ns, s->p->repair_max_ns);
    count(s, SWIM_COUNT_SUMMARIES);
    send_summary(s, from, true, SEND_REPAIR);
}

void repair_exchange(struct swim *s, uint16_t with)
{
    count(s, SWIM_COUNT_SUMMARIES);
    send_summary(s, with, true, SEND_REPAIR);
}

static void held_frame(struct swim *s, uint16_t slot, struct wire_frame *ret)
{
    const struct member *m = &s->members[slot];

    if (news_signed_frame(s, slot, ret))
        return;
    ret->kind = WIRE_HELD;
    ret->held.subject = roster_member(s->roster, slot)->id;
    ret->held.incarnation = m->incarnation;
    ret->held.standing = (enum wire_standing)m->standing;
}

static bool differs(const struct swim *s, uint16_t slot, const struct wire_summary *summary)
{
    const struct member *m = &s->members[slot];
    const struct roster_member *r = roster_member(s->roster, slot);
    uint8_t bucket;

    if (!r || (m->incarnation == 0 && m->standing == WIRE_STANDING_ALIVE))
        return false;
    bucket = record_bucket(r->id);
    return summary->sums[bucket] != s->sums[bucket];
}

/* From a random place on, so that what does not fit today is sent another day. */
static void send_held(struct swim *s, uint16_t to, const struct wire_summary *summary)
{
    uint16_t start = (uint16_t)rng_below(&s->rng, s->capacity);
    unsigned int packets = 0;
    struct wire_frame f;
    struct packet p;

    packet_start(&p);
    for (uint16_t i = 0; i < s->capacity && packets < REPAIR_PACKETS_MAX; i++) {
        uint16_t slot = (uint16_t)((start + i) % s->capacity);

        if (!differs(s, slot, summary))
            continue;
        held_frame(s, slot, &f);
        if (packet_add(&p, &f))
            continue;
        if (!packet_send(s, &p, to, SEND_REPAIR))
            return;
        packets++;
        packet_start(&p);
        CHECK(packet_add(&p, &f));
    }
    if (packets < REPAIR_PACKETS_MAX)
        (void)packet_send(s, &p, to, SEND_REPAIR);
}

/* Members whose observers are out of reach, all or all but one, have nobody to notice soon when
 * they go too, and hardly anybody who tells them anything. */
static bool is_unobserved(const struct swim *s, uint16_t slot)
{
    const struct roster_member *r = roster_member(s->roster, slot);
    unsigned int left = 0;

    for (uint8_t i = 0; i < r->observer_count; i++) {
        uint16_t observer = r->observers[i];

        if (observer == s->self)
            return false;
        left += s->members[observer].standing != WIRE_STANDING_UNREACHABLE;
    }
    return left <= UNOBSERVED_MAX && left < r->observer_count;
}

/* It answered us, and has no neighbour that would tell it anything: it hears from us what is held
 * unreachable, as news; when it told us its view, only where that differs. It is asked again from
 * time to time, and so hears the rest. */
void repair_adopt(struct swim *s, uint16_t to, const struct wire_summary *summary)
{
    uint16_t start = (uint16_t)rng_below(&s->rng, s->capacity);
    unsigned int packets = 0;
    struct wire_frame f;
    struct packet p;

    count(s, SWIM_COUNT_ADOPTED);
    packet_start(&p);
    for (uint16_t i = 0; i < s->capacity && packets < ADOPT_PACKETS_MAX; i++) {
        uint16_t slot = (uint16_t)((start + i) % s->capacity);

        if (!roster_member(s->roster, slot) ||
            s->members[slot].standing != WIRE_STANDING_UNREACHABLE ||
            (summary && !differs(s, slot, summary)) || !news_frame(s, slot, &f))
            continue;
        if (packet_add(&p, &f))
            continue;
        if (!packet_send(s, &p, to, SEND_NEWS))
            return;
        packets++;
        packet_start(&p);
        CHECK(packet_add(&p, &f));
    }
    if (packets < ADOPT_PACKETS_MAX)
        (void)packet_send(s, &p, to, SEND_NEWS); /* another time */
}

void repair_summary(struct swim *s, uint16_t from, const struct wire_summary *summary)
{
    /* Looking through all members is work that others could make us do. */
    if (s->answered_ns != 0 && s->now_ns - s->answered_ns < NS_PER_S / 4)
        return;
    s->answered_ns = s->now_ns;
    if (summary->asks)
        send_summary(s, from, false, SEND_REPAIR);
    if (roster_member(s->roster, from) && is_unobserved(s, from))
        repair_adopt(s, from, summary);
    send_held(s, from, summary);
}

static void check_member(struct swim *s, uint16_t slot, uint8_t purpose, uint32_t incarnation,
                         enum wire_standing standing)
{
    struct inquiry *q;

    if (inquiry_find(s, slot))
        return;
    q = inquiry_start(s, slot, purpose, s->p->window_ns * (purpose == PURPOSE_TRY ? 4 : 1));
    if (!q)
        return;
    q->claim = standing;
    q->claim_incarnation = incarnation;
}

/* Asks whoever claims more about a member to prove its incarnation: who holds a newer record than
 * the one it is told answers with that. */
void repair_ask(struct swim *s, uint16_t slot, uint16_t from)
{
    const struct member *m = &s->members[slot];
    struct wire_frame f = { .kind = WIRE_HELD };

    f.held.subject = roster_member(s->roster, slot)->id;
    f.held.incarnation = m->incarnation;
    f.held.standing = (enum wire_standing)m->standing;
    (void)frame_send(s, &f, from, SEND_REPAIR); /* comparing views asks again */
}

/* What a neighbour holds may be old: its subject is asked before we hold the same. */
void repair_held(struct swim *s, uint16_t from, const struct wire_held *held, bool proved)
{
    uint16_t slot = roster_find(s->roster, held->subject);
    const struct member *m;
    bool ahead;

    if (slot == ROSTER_NONE)
        return;
    if (slot == s->self) {
        self_claimed(s, held->incarnation, held->standing);
        return;
    }
    m = &s->members[slot];
    if (!record_is_news(s, slot, held->incarnation, held->standing)) {
        if (record_hash(1, held->incarnation, held->standing) !=
            record_hash(1, m->incarnation, (enum wire_standing)m->standing))
            news_tell_one(s, slot, from);
        return;
    }
    ahead = held->incarnation > m->incarnation && !proved;
    if (held->standing == WIRE_STANDING_UNREACHABLE && m->standing != WIRE_STANDING_UNREACHABLE) {
        /* Silence shows the standing; the incarnation needs proof. */
        count(s, SWIM_COUNT_CHECKS);
        check_member(s, slot, PURPOSE_CHECK, ahead ? m->incarnation : held->incarnation,
                     WIRE_STANDING_UNREACHABLE);
    } else if (ahead) {
        check_member(s, slot, PURPOSE_TRY, m->incarnation, (enum wire_standing)m->standing);
    } else {
        /* Unstable in the same incarnation, or already unreachable and now proved to be so in a
         * later one. */
        record_set(s, slot, held->incarnation, held->standing);
    }
}

/* A packet came from a member that we hold unreachable: ask it to say so. */
void repair_seen(struct swim *s, uint16_t slot)
{
    const struct member *m = &s->members[slot];

    if (m->standing == WIRE_STANDING_UNREACHABLE)
        check_member(s, slot, PURPOSE_TRY, m->incarnation, WIRE_STANDING_UNREACHABLE);
}

/* What a beat's incarnation shows. Below what we hold: the member lost its disk's last write and is
 * told. Otherwise, as its observer, we see to it that we can prove where it is: told of an older
 * one, it answers with its signature. */
void repair_beat(struct swim *s, uint16_t slot, uint32_t incarnation)
{
    const struct member *m = &s->members[slot];

    if (incarnation < m->incarnation)
        check_member(s, slot, PURPOSE_TRY, m->incarnation, (enum wire_standing)m->standing);
    else if (incarnation > 0 && edge_find(s, slot) && !news_has_proof(s, slot))
        check_member(s, slot, PURPOSE_TRY, 0, WIRE_STANDING_ALIVE);
}

static void inquire_unobserved(struct swim *s, uint16_t alive)
{
    for (uint16_t slot = 0; slot < s->capacity; slot++) {
        if (slot == s->self || !roster_member(s->roster, slot) ||
            s->members[slot].standing == WIRE_STANDING_UNREACHABLE || !is_unobserved(s, slot))
            continue;
        if (rng_below(&s->rng, alive) >= UNOBSERVED_CANDIDATES)
            continue;
        count(s, SWIM_COUNT_UNOBSERVED);
        if (!inquiry_start(s, slot, PURPOSE_OPEN, s->p->window_ns))
            return;
    }
}

static uint16_t pick_unreachable(struct swim *s)
{
    uint64_t left = rng_below(&s->rng, s->unreachable_count);

    for (uint16_t slot = 0; slot < s->capacity; slot++) {
        if (s->members[slot].standing == WIRE_STANDING_UNREACHABLE && left-- == 0)
            return slot;
    }
    check_failed("as many unreachable members as counted", __FILE__, __LINE__);
    return ROSTER_NONE;
}

static uint16_t alive_count(const struct swim *s)
{
    CHECK(s->unreachable_count < roster_count(s->roster));
    return (uint16_t)(roster_count(s->roster) - s->unreachable_count);
}

/* None of our own observers is left: news cannot come by itself. We ask some of the others, whoever
 * they are; those on our side of a split adopt us. */
static void ask_strangers(struct swim *s)
{
    unsigned int left = 0;

    for (uint8_t i = 0; i < s->edge_count; i++)
        left += s->members[s->edges[i].slot].standing != WIRE_STANDING_UNREACHABLE;
    if (left > UNOBSERVED_MAX || left == s->edge_count)
        return;
    for (int i = 0; i < ISLAND_ASKS; i++) {
        uint16_t slot = (uint16_t)rng_below(&s->rng, s->capacity);

        if (slot == s->self || !roster_member(s->roster, slot) ||
            s->members[slot].standing == WIRE_STANDING_UNREACHABLE)
            continue;
        count(s, SWIM_COUNT_STRANDED);
        send_summary(s, slot, true, SEND_INQUIRY);
    }
}

void repair_run(struct swim *s)
{
    uint16_t slot;

    if (s->self == ROSTER_NONE)
        return;
    if (s->now_ns >= s->orphans_ns) {
        /* Again while there is news: what is told to them comes late and in parts. */
        s->orphans_ns =
            s->now_ns - s->changed_ns < ORPHANS_FOR_NS ? s->now_ns + NS_PER_S : NEVER_NS;
        inquire_unobserved(s, alive_count(s));
        ask_strangers(s);
    }
    if (s->now_ns < s->try_ns)
        return;
    s->try_ns = s->now_ns + s->try_interval_ns;
    if (s->unreachable_count == 0)
        return;
    if (!swim_is_random(s))
        inquire_unobserved(s, alive_count(s));
    s->try_interval_ns = earlier(2 * s->try_interval_ns, s->p->try_max_ns);
    slot = pick_unreachable(s);
    if (inquiry_find(s, slot))
        return;
    count(s, SWIM_COUNT_TRIES);
    check_member(s, slot, PURPOSE_TRY, s->members[slot].incarnation, WIRE_STANDING_UNREACHABLE);
}
