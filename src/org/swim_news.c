/* What is held about each member, and passing it on along the overlay. */
#include "org/swim_state.h"

#include <string.h>

static void change_digest(struct swim *s, uint16_t slot)
{
    const struct member *m = &s->members[slot];
    uint64_t id = roster_member(s->roster, slot)->id;
    uint64_t hash = record_hash(id, m->incarnation, (enum wire_standing)m->standing);

    s->digest ^= hash;
    s->sums[record_bucket(id)] ^= (uint32_t)hash;
}

static void edge_returned(struct swim *s, uint16_t slot)
{
    struct edge *e = edge_find(s, slot);

    if (!e)
        return;
    e->order = ++s->order; /* at the end: what others were promised holds */
    e->early = 0;
    e->heard = false;
    e->heard_ns = s->now_ns;
    e->due_ns = s->now_ns + (ROSTER_OBSERVERS_MAX + 2) * s->p->beat_ns;
    if (e->voted)
        watch_strike(s, e);
}

bool record_is_news(const struct swim *s, uint16_t slot, uint32_t incarnation,
                    enum wire_standing standing)
{
    const struct member *m = &s->members[slot];

    return incarnation > m->incarnation ||
           (incarnation == m->incarnation && standing > (enum wire_standing)m->standing);
}

void record_set(struct swim *s, uint16_t slot, uint32_t incarnation, enum wire_standing standing)
{
    struct member *m = &s->members[slot];
    bool was_unreachable = m->standing == WIRE_STANDING_UNREACHABLE;
    bool is_unreachable = standing == WIRE_STANDING_UNREACHABLE;

    CHECK(incarnation <= WIRE_INCARNATION_MAX);
    CHECK(record_is_news(s, slot, incarnation, standing));
    CHECK(slot != s->self || !is_unreachable);
    change_digest(s, slot);
    m->incarnation = incarnation;
    m->standing = (uint8_t)standing;
    m->changed_tenths = (uint32_t)(s->now_ns / TENTH_NS);
    m->tell = 0; /* what was to be told is out of date */
    random_clear(s, slot);
    change_digest(s, slot);
    s->changed_ns = s->now_ns;
    s->unreachable_count = (uint16_t)(s->unreachable_count + is_unreachable - was_unreachable);
    CHECK(s->out->change_count < SWIM_CHANGES_MAX);
    s->out->changes[s->out->change_count++] = (struct swim_change){ slot, standing, incarnation };
    if (is_unreachable && !was_unreachable) {
        if (!swim_is_random(s))
            watch_gone(s);
        inquiry_close(s, slot);
        s->try_interval_ns = s->p->try_min_ns;
        s->try_ns = s->unreachable_count == 1 ? s->now_ns + rng_below(&s->rng, s->p->try_min_ns)
                                              : earlier(s->try_ns, s->now_ns + s->p->try_min_ns);
    }
    if (was_unreachable && !is_unreachable) {
        inquiry_close(s, slot);
        count(s, SWIM_COUNT_REFUTATIONS);
        s->try_interval_ns = s->p->try_min_ns; /* where one came back there may be more */
        s->try_ns = earlier(s->try_ns, s->now_ns + s->p->try_min_ns);
        edge_returned(s, slot);
    }
}

/* The first news go at once. What follows soon waits: by then most neighbours will have told us the
 * same, and need not be told. While there is much to say, it waits for company and leaves room for
 * inquiries, which a flood of small packets would starve. */
static uint64_t flush_time(struct swim *s, uint64_t at_ns)
{
    bool busy = budget_used(s) > SWIM_PACKETS_PER_S / 2;
    uint64_t next_ns = s->flushed_ns + (busy ? FLUSH_BUSY_NS : FLUSH_GAP_NS);

    return s->flushed_ns == 0 || at_ns > next_ns ? at_ns : next_ns;
}

void list_add(struct swim *s, uint16_t slot)
{
    struct member *m = &s->members[slot];

    if (m->listed)
        return;
    m->listed = true;
    m->next = ROSTER_NONE;
    if (s->news_tail == ROSTER_NONE)
        s->news_head = slot;
    else
        s->members[s->news_tail].next = slot;
    s->news_tail = slot;
    if (!swim_is_random(s))
        s->flush_ns = earlier(s->flush_ns, flush_time(s, s->now_ns + s->p->batch_ns));
}

void news_tell(struct swim *s, uint16_t slot, uint16_t except)
{
    struct member *m = &s->members[slot];

    if (swim_is_random(s)) {
        random_tell(s, slot);
        return;
    }
    for (uint8_t i = 0; i < s->edge_count; i++) {
        uint16_t to = s->edges[i].slot;
        bool lost = s->members[to].standing == WIRE_STANDING_UNREACHABLE;

        /* Our own return is told even to those who may be out of reach: across a split that has
         * healed, this is how the two sides find each other. */
        if (to != except && to != slot && (!lost || slot == s->self))
            m->tell |= (uint16_t)(1 << i);
    }
    if (m->tell != 0)
        list_add(s, slot);
}

void news_tell_one(struct swim *s, uint16_t slot, uint16_t to)
{
    struct wire_frame f;

    if (news_signed_frame(s, slot, &f) || news_frame(s, slot, &f))
        (void)frame_send(s, &f, to, SEND_REPAIR); /* comparing views repairs what is denied */
}

static const uint8_t *find_proof(const struct swim *s, uint16_t slot)
{
    const struct member *m = &s->members[slot];
    const struct proof *p = slot == s->self ? &s->own : &s->proofs[slot % s->proof_count];

    return p->slot == slot && p->incarnation == m->incarnation ? p->signature : NULL;
}

bool news_has_proof(const struct swim *s, uint16_t slot)
{
    return find_proof(s, slot) != NULL;
}

/* The frame that passes on what we hold; false when there is nothing to say or no proof to say it
 * by. A verdict goes without the proof: nearly everybody knows the incarnation. */
bool news_frame(struct swim *s, uint16_t slot, struct wire_frame *ret)
{
    const struct member *m = &s->members[slot];
    uint64_t id = roster_member(s->roster, slot)->id;

    if (m->standing == WIRE_STANDING_UNREACHABLE) {
        ret->kind = WIRE_UNREACHABLE;
        ret->unreachable = (struct wire_unreachable){ id, m->incarnation };
        return true;
    }
    if (news_signed_frame(s, slot, ret))
        return true;
    if (m->standing == WIRE_STANDING_UNSTABLE) {
        ret->kind = WIRE_UNSTABLE;
        ret->unstable = (struct wire_unstable){ id, m->incarnation };
        return true;
    }
    if (m->incarnation > 0)
        count(s, SWIM_COUNT_PROOF_MISSING);
    return false;
}

bool news_signed_frame(struct swim *s, uint16_t slot, struct wire_frame *ret)
{
    const struct member *m = &s->members[slot];
    const uint8_t *signature = find_proof(s, slot);

    if (!signature || m->incarnation == 0)
        return false;
    ret->kind = WIRE_SIGNED;
    ret->proved.subject = roster_member(s->roster, slot)->id;
    ret->proved.incarnation = m->incarnation;
    ret->proved.standing = (enum wire_standing)m->standing;
    memcpy(ret->proved.signature, signature, WIRE_SIGNATURE_SIZE);
    return true;
}

/* Packs what edge i has not been told, from the head of the list, into one packet, and sends it. */
static bool flush_edge(struct swim *s, uint8_t i, uint8_t *sent)
{
    uint16_t bit = (uint16_t)(1 << i), packed = 0;
    struct wire_frame f;
    struct packet p;

    packet_start(&p);
    for (uint16_t slot = s->news_head; slot != ROSTER_NONE; slot = s->members[slot].next) {
        struct member *m = &s->members[slot];

        if (!(m->tell & bit))
            continue;
        if (news_frame(s, slot, &f) && !packet_add(&p, &f))
            break;
        packed++;
    }
    if (!packet_send(s, &p, s->edges[i].slot, s->verdict ? SEND_VERDICT : SEND_NEWS))
        return false;
    *sent = (uint8_t)(*sent + (p.writer.size > 0));
    for (uint16_t slot = s->news_head; packed > 0; slot = s->members[slot].next) {
        struct member *m = &s->members[slot];

        CHECK(slot != ROSTER_NONE);
        if (m->tell & bit) {
            m->tell &= (uint16_t)~bit;
            packed--;
        }
    }
    return true;
}

void list_drop_told(struct swim *s)
{
    uint16_t slot = s->news_head, last = ROSTER_NONE;

    s->news_head = ROSTER_NONE;
    while (slot != ROSTER_NONE) {
        struct member *m = &s->members[slot];
        uint16_t next = m->next;

        if (m->tell == 0) {
            m->listed = false;
        } else {
            if (last == ROSTER_NONE)
                s->news_head = slot;
            else
                s->members[last].next = slot;
            m->next = ROSTER_NONE;
            last = slot;
        }
        slot = next;
    }
    s->news_tail = last;
}

void news_flush(struct swim *s)
{
    uint8_t sent = 0;

    if (s->now_ns < s->flush_ns)
        return;
    for (uint8_t i = 0; i < s->edge_count && sent < FLUSH_EDGES; i++) {
        /* Whoever is in doubt hears it when it turns out to be there. */
        if (!watch_is_doubted(s, s->flush_edge) && !flush_edge(s, s->flush_edge, &sent))
            break; /* who was left out goes first next time */
        s->flush_edge = (uint8_t)((s->flush_edge + 1) % s->edge_count);
    }
    list_drop_told(s);
    s->verdict = false;
    s->flushed_ns = s->now_ns;
    s->flush_ns = NEVER_NS;
    if (s->news_head != ROSTER_NONE)
        s->flush_ns = flush_time(s, budget_next(s, SEND_NEWS));
}

/* The edges changed their places: what was waiting goes out by comparing views. */
void news_drop_edges(struct swim *s)
{
    for (uint16_t slot = s->news_head; slot != ROSTER_NONE; slot = s->members[slot].next)
        s->members[slot].tell = 0;
    list_drop_told(s);
    s->flush_ns = NEVER_NS;
    s->flush_edge = 0;
}

/* Our own verdict. */
void news_verdict(struct swim *s, uint16_t slot, bool tell)
{
    const struct member *m = &s->members[slot];

    if (m->standing == WIRE_STANDING_UNREACHABLE)
        return; /* the news was faster */
    record_set(s, slot, m->incarnation, WIRE_STANDING_UNREACHABLE);
    if (!tell)
        return;
    news_tell(s, slot, TELL_ALL);
    s->verdict = true;
    if (!swim_is_random(s))
        s->flush_ns = earlier(s->flush_ns, s->now_ns + s->p->batch_ns);
}

enum claim { CLAIM_NEWER, CLAIM_KNOWN, CLAIM_OLDER };

static enum claim compare(const struct member *m, uint32_t incarnation, enum wire_standing standing)
{
    if (incarnation != m->incarnation)
        return incarnation > m->incarnation ? CLAIM_NEWER : CLAIM_OLDER;
    if (standing == (enum wire_standing)m->standing)
        return CLAIM_KNOWN;
    return standing > (enum wire_standing)m->standing ? CLAIM_NEWER : CLAIM_OLDER;
}

static void forget_teller(struct swim *s, uint16_t slot, uint16_t from)
{
    const struct edge *e = edge_find(s, from);

    if (e)
        s->members[slot].tell &= (uint16_t) ~(1 << (e - s->edges));
}

/* A verdict that somebody tells cannot be proved; it is weighed against what we know ourselves. */
static bool is_credible(struct swim *s, uint16_t from, uint16_t slot, uint32_t incarnation,
                        enum wire_standing standing)
{
    const struct member *m = &s->members[slot];
    const struct edge *e = edge_find(s, slot);

    if (incarnation > m->incarnation) {
        count(s, SWIM_COUNT_UNPROVED);
        repair_ask(s, slot, from);
        return false;
    }
    if (standing != WIRE_STANDING_UNREACHABLE)
        return true;
    if (m->standing == WIRE_STANDING_ALIVE && m->incarnation > 0 &&
        s->now_ns - m->changed_tenths * TENTH_NS < REFRACTORY_NS) {
        count(s, SWIM_COUNT_VERDICTS_REFRACTORY);
        return false;
    }
    if (e && s->now_ns - e->heard_ns < FRESH_NS) {
        count(s, SWIM_COUNT_VERDICTS_CONTRADICTED);
        return false;
    }
    return true;
}

static void take_claim(struct swim *s, uint16_t from, uint64_t id, uint32_t incarnation,
                       enum wire_standing standing)
{
    uint16_t slot = roster_find(s->roster, id);
    struct edge *e;

    if (slot == ROSTER_NONE)
        return;
    if (slot == s->self) {
        self_claimed(s, incarnation, standing);
        return;
    }
    switch (compare(&s->members[slot], incarnation, standing)) {
    case CLAIM_KNOWN:
        forget_teller(s, slot, from);
        return;
    case CLAIM_OLDER:
        news_tell_one(s, slot, from);
        return;
    case CLAIM_NEWER:
        break;
    }
    if (!is_credible(s, from, slot, incarnation, standing))
        return;
    e = edge_find(s, slot);
    if (e)
        e->voted |= inquiry_voted(s, slot);
    if (standing == WIRE_STANDING_UNREACHABLE)
        count(s, SWIM_COUNT_VERDICTS_HEARD);
    record_set(s, slot, incarnation, standing);
    news_tell(s, slot, from);
}

void news_unreachable(struct swim *s, uint16_t from, uint64_t id, uint32_t incarnation)
{
    take_claim(s, from, id, incarnation, WIRE_STANDING_UNREACHABLE);
}

void news_unstable(struct swim *s, uint16_t from, uint64_t id, uint32_t incarnation)
{
    take_claim(s, from, id, incarnation, WIRE_STANDING_UNSTABLE);
}

static bool may_verify(struct swim *s)
{
    if (s->now_ns - s->verify_start_ns >= NS_PER_S) {
        s->verify_start_ns = s->now_ns;
        s->verify_count = 0;
    }
    if (s->verify_count == VERIFY_PER_S) {
        count(s, SWIM_COUNT_VERIFY_LIMITED);
        return false;
    }
    s->verify_count++;
    return true;
}

static bool is_signed(struct swim *s, const struct wire_signed *p)
{
    uint8_t text[WIRE_ALIVE_TEXT_SIZE];

    if (!may_verify(s))
        return false;
    wire_alive_text(p->subject, p->incarnation, text);
    if (s->signer->verify(s->signer->context, p->subject, text, p->signature))
        return true;
    count(s, SWIM_COUNT_BAD_SIGNATURES);
    return false;
}

static void keep_proof(struct swim *s, uint16_t slot, const struct wire_signed *word)
{
    struct proof *p = slot == s->self ? &s->own : &s->proofs[slot % s->proof_count];

    p->slot = slot;
    p->incarnation = word->incarnation;
    memcpy(p->signature, word->signature, WIRE_SIGNATURE_SIZE);
}

/* Our own signature from before our last restart. */
static void adopt_former_self(struct swim *s, const struct wire_signed *p)
{
    if (p->incarnation > s->members[s->self].incarnation) {
        count(s, SWIM_COUNT_FORMER_SELF);
        keep_proof(s, s->self, p);
        s->out->persist = true;
        record_set(s, s->self, p->incarnation, WIRE_STANDING_ALIVE);
    }
    self_claimed(s, p->incarnation, p->standing);
}

void news_signed(struct swim *s, uint16_t from, const struct wire_signed *p)
{
    struct wire_held held = { p->subject, p->incarnation, p->standing };
    uint16_t slot = roster_find(s->roster, p->subject);

    if (slot == ROSTER_NONE)
        return;
    switch (compare(&s->members[slot], p->incarnation, p->standing)) {
    case CLAIM_KNOWN:
        forget_teller(s, slot, from);
        /* Known from the owner's own mouth, perhaps, and so without proof for others. */
        if (!find_proof(s, slot) && is_signed(s, p))
            keep_proof(s, slot, p);
        return;
    case CLAIM_OLDER:
        if (slot != s->self)
            news_tell_one(s, slot, from);
        return;
    case CLAIM_NEWER:
        break;
    }
    if (!is_signed(s, p))
        return;
    if (slot == s->self) {
        adopt_former_self(s, p);
        return;
    }
    keep_proof(s, slot, p);
    if (p->standing == WIRE_STANDING_UNREACHABLE) {
        repair_held(s, from, &held, true);
        return;
    }
    record_set(s, slot, p->incarnation, p->standing);
    news_tell(s, slot, from);
}

/* The owner itself said so, through its own tunnel: good for us, nothing to pass on. */
void news_owner_word(struct swim *s, uint16_t slot, uint32_t incarnation)
{
    if (slot == s->self || incarnation <= s->members[slot].incarnation)
        return;
    count(s, SWIM_COUNT_OWNER_WORD);
    record_set(s, slot, incarnation, WIRE_STANDING_ALIVE);
}
