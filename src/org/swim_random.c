/* Random targets: SWIM as memberlist runs it, with Lifeguard; see swim.h. Its constants are in
 * swim_parameters_random. The order of probes is round robin over a shuffled list, so that nobody
 * waits longer than two rounds (SWIM, DSN'02, section 4.3). */
#include "org/swim_state.h"

#define LOG_UNIT 1000u /* decimal logarithms in thousandths */

/* Thousand times the decimal logarithm, rounded down, of a number up to 65,536. */
static uint32_t log10_milli(uint32_t value)
{
    uint64_t x = (uint64_t)value << 16; /* 16 bits behind the point */
    uint32_t log2 = 0;                  /* likewise */

    CHECK(value > 0);
    while (x >= 2u << 16) {
        x >>= 1;
        log2 += 1u << 16;
    }
    for (uint32_t bit = 1u << 15; bit > 0; bit >>= 1) {
        x = (x * x) >> 16;
        if (x >= 2u << 16) {
            x >>= 1;
            log2 |= bit;
        }
    }
    return (uint32_t)(((uint64_t)log2 * 30103 * LOG_UNIT / 100000) >> 16);
}

static uint64_t stretched(const struct swim *s, uint64_t ns)
{
    return ns * (s->random.awareness + 1u);
}

static void feel(struct swim *s, int by)
{
    int value = s->random.awareness + by;

    if (value < 0)
        value = 0;
    if (value >= s->p->awareness_max)
        value = s->p->awareness_max - 1;
    s->random.awareness = (uint8_t)value;
}

static void shuffle(struct swim *s)
{
    struct random_set *r = &s->random;

    r->order_count = r->order_at = 0;
    for (uint16_t slot = 0; slot < s->capacity; slot++) {
        if (slot != s->self && roster_member(s->roster, slot))
            r->order[r->order_count++] = slot;
    }
    for (uint16_t i = r->order_count; i > 1; i--) {
        uint16_t with = (uint16_t)rng_below(&s->rng, i), kept = r->order[i - 1];

        r->order[i - 1] = r->order[with];
        r->order[with] = kept;
    }
}

void random_join(struct swim *s)
{
    struct random_set *r = &s->random;

    if (r->probe_ns == 0 && s->self != ROSTER_NONE) {
        r->probe_ns = s->now_ns + rng_below(&s->rng, s->p->period_ns);
        r->gossip_ns = s->now_ns + rng_below(&s->rng, s->p->gossip_ns);
        r->exchange_ns = s->now_ns + rng_below(&s->rng, s->p->exchange_ns);
    }
    r->target = ROSTER_NONE;
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        if (r->suspects[i].start_ns == 0 || !roster_member(s->roster, r->suspects[i].slot))
            r->suspects[i].slot = ROSTER_NONE;
    }
    for (size_t i = 0; i < HELPS_MAX; i++)
        r->helps[i].subject = ROSTER_NONE;
    if (s->self != ROSTER_NONE)
        shuffle(s);
}

static struct suspect *find_suspect(struct swim *s, uint16_t slot)
{
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        if (s->random.suspects[i].slot == slot)
            return &s->random.suspects[i];
    }
    return NULL;
}

void random_clear(struct swim *s, uint16_t slot)
{
    struct suspect *suspect = swim_is_random(s) ? find_suspect(s, slot) : NULL;

    if (suspect)
        suspect->slot = ROSTER_NONE;
}

/* How often each news is sent. */
static uint16_t transmissions(const struct swim *s)
{
    uint32_t log = log10_milli(roster_count(s->roster) + 1u);

    return (uint16_t)(s->p->retransmit * ((log + LOG_UNIT - 1) / LOG_UNIT));
}

void random_tell(struct swim *s, uint16_t slot)
{
    s->members[slot].tell = transmissions(s);
    list_add(s, slot);
}

static bool news_of(struct swim *s, uint16_t slot, struct wire_frame *ret)
{
    const struct suspect *suspect = find_suspect(s, slot);

    if (!suspect)
        return news_frame(s, slot, ret);
    ret->kind = WIRE_SUSPECT;
    ret->suspect.subject = roster_member(s->roster, slot)->id;
    ret->suspect.incarnation = suspect->incarnation;
    /* The latest of those who found it silent: whoever hears this counts one more. */
    ret->suspect.accuser =
        roster_member(s->roster, suspect->accusers[suspect->accuser_count - 1])->id;
    return true;
}

/* What fits, each once; whoever was told often enough is dropped by the next gossip. */
static void pack(struct swim *s, struct packet *p)
{
    struct wire_frame f;

    for (uint16_t slot = s->news_head; slot != ROSTER_NONE; slot = s->members[slot].next) {
        struct member *m = &s->members[slot];

        if (m->tell == 0)
            continue;
        if (news_of(s, slot, &f) && !packet_add(p, &f))
            return;
        m->tell--;
    }
}

void random_piggyback(struct swim *s, struct packet *p)
{
    pack(s, p);
}

static uint16_t pick_member(struct swim *s, uint16_t except)
{
    for (int tries = 0; tries < 16; tries++) {
        uint16_t slot = s->random.order_count > 0
                            ? s->random.order[rng_below(&s->rng, s->random.order_count)]
                            : ROSTER_NONE;

        if (slot != ROSTER_NONE && slot != except && roster_member(s->roster, slot) &&
            s->members[slot].standing != WIRE_STANDING_UNREACHABLE)
            return slot;
    }
    return ROSTER_NONE;
}

static void gossip(struct swim *s)
{
    for (uint8_t i = 0; i < s->p->gossip_members && s->news_head != ROSTER_NONE; i++) {
        uint16_t to = pick_member(s, ROSTER_NONE);
        struct packet p;

        packet_start(&p);
        pack(s, &p);
        if (to != ROSTER_NONE)
            (void)packet_send(s, &p, to, SEND_NEWS); /* told to others later */
        list_drop_told(s);
    }
}

/* Confirmations that end the waiting early; in a small org there is nobody to give them. */
static uint8_t confirmations_wanted(const struct swim *s)
{
    uint8_t wanted = (uint8_t)(s->p->suspicion - 2);

    return roster_count(s->roster) < wanted + 2u ? 0 : wanted;
}

static uint64_t suspicion_end_ns(const struct swim *s, const struct suspect *suspect)
{
    /* log(c + 1) / log(k + 1) in thousandths, for the two confirmations that memberlist wants. */
    static const uint16_t shares[CONFIRMATIONS_MAX + 1] = { 0, 631, 1000 };
    uint32_t log = log10_milli(roster_count(s->roster));
    uint64_t least_ns =
        s->p->suspicion * (log < LOG_UNIT ? LOG_UNIT : log) * (s->p->period_ns / LOG_UNIT);
    uint8_t confirmed = (uint8_t)(suspect->accuser_count - 1);
    uint64_t more_ns = least_ns * (s->p->suspicion_longer - 1u);

    if (confirmations_wanted(s) == 0)
        return suspect->start_ns + least_ns;
    return suspect->start_ns + least_ns + more_ns - more_ns / LOG_UNIT * shares[confirmed];
}

static void add_accuser(struct swim *s, struct suspect *suspect, uint16_t accuser)
{
    for (uint8_t i = 0; i < suspect->accuser_count; i++) {
        if (suspect->accusers[i] == accuser)
            return;
    }
    if (suspect->accuser_count > confirmations_wanted(s) ||
        suspect->accuser_count > CONFIRMATIONS_MAX)
        return;
    suspect->accusers[suspect->accuser_count++] = accuser;
    random_tell(s, suspect->slot);
}

static void suspect_member(struct swim *s, uint16_t slot, uint32_t incarnation, uint16_t accuser)
{
    struct suspect *suspect = find_suspect(s, slot);

    if (!suspect) {
        suspect = find_suspect(s, ROSTER_NONE);
        if (!suspect)
            return; /* the next probe finds it again */
        *suspect =
            (struct suspect){ .slot = slot, .incarnation = incarnation, .start_ns = s->now_ns };
        count(s, SWIM_COUNT_INQUIRIES);
    }
    add_accuser(s, suspect, accuser);
}

void random_suspect(struct swim *s, uint16_t from, const struct wire_suspect *claim)
{
    uint16_t slot = roster_find(s->roster, claim->subject);
    uint16_t accuser = roster_find(s->roster, claim->accuser);

    if (!swim_is_random(s) || slot == ROSTER_NONE || accuser == ROSTER_NONE)
        return;
    if (slot == s->self) {
        if (claim->incarnation >= s->members[slot].incarnation)
            feel(s, 1); /* we were slow to answer */
        self_claimed(s, claim->incarnation, WIRE_STANDING_UNREACHABLE);
        return;
    }
    if (claim->incarnation > s->members[slot].incarnation) {
        count(s, SWIM_COUNT_UNPROVED);
        repair_ask(s, slot, from);
        return;
    }
    if (claim->incarnation < s->members[slot].incarnation ||
        s->members[slot].standing == WIRE_STANDING_UNREACHABLE)
        return;
    suspect_member(s, slot, claim->incarnation, accuser);
}

static bool send_probe(struct swim *s, uint16_t to)
{
    struct wire_frame f = { .kind = WIRE_PROBE };

    /* Lifeguard's buddy: who is suspected hears it first from whoever probes it. */
    f.probe.standing = find_suspect(s, to) ? WIRE_STANDING_UNREACHABLE
                                           : (enum wire_standing)s->members[to].standing;
    f.probe.incarnation = s->members[to].incarnation;
    return frame_send(s, &f, to, SEND_INQUIRY);
}

static uint16_t next_target(struct swim *s)
{
    struct random_set *r = &s->random;

    for (uint32_t i = 0; i < 2u * r->order_count + 1; i++) {
        uint16_t slot;

        if (r->order_at >= r->order_count)
            shuffle(s);
        if (r->order_count == 0)
            return ROSTER_NONE;
        slot = r->order[r->order_at++];
        if (roster_member(s->roster, slot) &&
            s->members[slot].standing != WIRE_STANDING_UNREACHABLE)
            return slot;
    }
    return ROSTER_NONE;
}

static void probe_failed(struct swim *s)
{
    struct random_set *r = &s->random;

    /* Helpers that say that they are well and heard nothing clear us; their silence does not. */
    feel(s, r->called > 0 ? r->called - r->silent : 1);
    suspect_member(s, r->target, s->members[r->target].incarnation, s->self);
}

static void start_probe(struct swim *s)
{
    struct random_set *r = &s->random;

    if (r->target != ROSTER_NONE && s->members[r->target].standing != WIRE_STANDING_UNREACHABLE)
        probe_failed(s);
    r->target = next_target(s);
    r->probe_ns = s->now_ns + stretched(s, s->p->period_ns);
    r->indirect = false;
    r->called = r->silent = 0;
    r->asked_ns = s->now_ns;
    if (r->target == ROSTER_NONE)
        return;
    if (send_probe(s, r->target))
        count(s, SWIM_COUNT_EARLY_PROBES);
    else
        r->target = ROSTER_NONE; /* our budget denied it: no evidence of anything */
}

static void call_others(struct swim *s)
{
    struct random_set *r = &s->random;
    struct wire_frame f = { .kind = WIRE_CALL };

    r->indirect = true;
    r->number = s->number++;
    f.call.subject = roster_member(s->roster, r->target)->id;
    f.call.number = r->number;
    f.call.window_ms = (uint16_t)(s->p->timeout_ns / NS_PER_MS);
    f.call.incarnation = s->members[r->target].incarnation;
    for (uint8_t i = 0; i < s->p->indirect; i++) {
        uint16_t to = pick_member(s, r->target);

        if (to != ROSTER_NONE && frame_send(s, &f, to, SEND_CALL))
            r->called++;
    }
}

void random_answered(struct swim *s, uint16_t from)
{
    struct random_set *r = &s->random;
    struct wire_frame f = { .kind = WIRE_REPORT };

    if (!swim_is_random(s))
        return;
    if (r->target == from) {
        r->target = ROSTER_NONE;
        feel(s, -1);
        count(s, SWIM_COUNT_ANSWERED);
    }
    for (size_t i = 0; i < HELPS_MAX; i++) {
        struct help *help = &r->helps[i];

        if (help->subject != from)
            continue;
        f.report.subject = roster_member(s->roster, from)->id;
        f.report.number = help->number;
        (void)frame_send(s, &f, help->caller, SEND_REPORT); /* others were asked too */
        help->subject = ROSTER_NONE;
    }
}

void random_call(struct swim *s, uint16_t from, const struct wire_call *call)
{
    uint16_t subject = roster_find(s->roster, call->subject);

    if (subject == ROSTER_NONE || subject == s->self)
        return;
    for (size_t i = 0; i < HELPS_MAX; i++) {
        struct help *help = &s->random.helps[i];

        if (help->subject != ROSTER_NONE)
            continue;
        *help = (struct help){ subject, from, call->number, false, s->now_ns };
        (void)send_probe(s, subject); /* others were asked too */
        return;
    }
}

void random_report(struct swim *s, const struct wire_report *report)
{
    struct random_set *r = &s->random;

    if (r->target == ROSTER_NONE || !r->indirect || report->number != r->number ||
        report->subject != roster_member(s->roster, r->target)->id)
        return;
    if (report->unanswered > 0) {
        r->silent = (uint8_t)(r->silent + (r->silent < r->called));
        return;
    }
    r->target = ROSTER_NONE;
    feel(s, -1);
    count(s, SWIM_COUNT_ANSWERED_ELSEWHERE);
}

/* memberlist says that it heard nothing after four fifths of the timeout. */
static uint64_t help_look_ns(const struct swim *s, const struct help *help)
{
    return help->start_ns + (help->told ? 2 : 1) * (s->p->timeout_ns / 5 * 4);
}

static void run_helps(struct swim *s)
{
    struct wire_frame f = { .kind = WIRE_REPORT };

    for (size_t i = 0; i < HELPS_MAX; i++) {
        struct help *help = &s->random.helps[i];

        if (help->subject == ROSTER_NONE || s->now_ns < help_look_ns(s, help))
            continue;
        if (help->told) {
            help->subject = ROSTER_NONE;
            continue;
        }
        help->told = true;
        f.report.subject = roster_member(s->roster, help->subject)->id;
        f.report.number = help->number;
        f.report.unanswered = 1;
        (void)frame_send(s, &f, help->caller, SEND_REPORT); /* lost, the caller blames itself */
    }
}

static void run_suspects(struct swim *s)
{
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        struct suspect *suspect = &s->random.suspects[i];
        uint16_t slot = suspect->slot;

        if (slot == ROSTER_NONE || s->now_ns < suspicion_end_ns(s, suspect))
            continue;
        count(s, suspect->accuser_count > confirmations_wanted(s) ? SWIM_COUNT_VERDICTS_STRONG
                                                                  : SWIM_COUNT_VERDICTS_WEAK);
        suspect->slot = ROSTER_NONE;
        news_verdict(s, slot, true);
    }
}

void random_run(struct swim *s)
{
    struct random_set *r = &s->random;

    if (s->self == ROSTER_NONE)
        return;
    run_helps(s);
    run_suspects(s);
    if (r->target != ROSTER_NONE && !r->indirect &&
        s->now_ns >= r->asked_ns + stretched(s, s->p->timeout_ns))
        call_others(s);
    if (s->now_ns >= r->probe_ns)
        start_probe(s);
    if (s->now_ns >= r->gossip_ns) {
        r->gossip_ns = s->now_ns + s->p->gossip_ns;
        gossip(s);
    }
    if (s->now_ns >= r->exchange_ns) {
        uint16_t with = pick_member(s, ROSTER_NONE);

        r->exchange_ns = s->now_ns + s->p->exchange_ns;
        if (with != ROSTER_NONE)
            repair_exchange(s, with);
    }
}

uint64_t random_deadline(const struct swim *s)
{
    const struct random_set *r = &s->random;
    uint64_t next_ns = earlier(r->probe_ns, r->exchange_ns);

    if (s->self == ROSTER_NONE)
        return NEVER_NS;
    if (s->news_head != ROSTER_NONE)
        next_ns = earlier(next_ns, r->gossip_ns);
    if (r->target != ROSTER_NONE && !r->indirect)
        next_ns = earlier(next_ns, r->asked_ns + stretched(s, s->p->timeout_ns));
    for (size_t i = 0; i < HELPS_MAX; i++) {
        if (r->helps[i].subject != ROSTER_NONE)
            next_ns = earlier(next_ns, help_look_ns(s, &r->helps[i]));
    }
    for (size_t i = 0; i < SUSPECTS_MAX; i++) {
        if (r->suspects[i].slot != ROSTER_NONE)
            next_ns = earlier(next_ns, suspicion_end_ns(s, &r->suspects[i]));
    }
    return next_ns;
}
