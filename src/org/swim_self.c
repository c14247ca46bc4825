/* Our own standing: refuting what others hold, and the quiet spell of an unstable node. */
#include "org/swim_state.h"

#include <string.h>

void self_sign(struct swim *s)
{
    uint8_t text[WIRE_ALIVE_TEXT_SIZE];
    uint32_t incarnation = s->members[s->self].incarnation;

    wire_alive_text(s->id, incarnation, text);
    s->signer->sign(s->signer->context, text, s->own.signature);
    s->own.slot = s->self;
    s->own.incarnation = incarnation;
}

/* Says that we are alive, above whatever is held of us. Once a second at most: who repeats a false
 * verdict faster than that gets silence, and our incarnations last for half a year of it. */
static void bump(struct swim *s, uint32_t above)
{
    if (s->bumped_ns != 0 && s->now_ns - s->bumped_ns < NS_PER_S)
        return;
    if (above == WIRE_INCARNATION_MAX)
        return;
    s->bumped_ns = s->now_ns;
    s->quiet_end_ns = NEVER_NS;
    count(s, SWIM_COUNT_REFUTED_SELF);
    record_set(s, s->self, above + 1, WIRE_STANDING_ALIVE);
    self_sign(s);
    s->out->persist = true;
    news_tell(s, s->self, TELL_ALL);
}

static void note_refutation(struct swim *s)
{
    memmove(s->refuted_ns + 1, s->refuted_ns, (STRIKES_MAX - 1) * sizeof(s->refuted_ns[0]));
    s->refuted_ns[0] = s->now_ns;
}

/* Others may call us unstable only after verdicts that we had to refute. */
static bool was_refuted_often(const struct swim *s)
{
    uint64_t first_ns = s->refuted_ns[STRIKES_MAX - 1];

    return first_ns != 0 && s->now_ns - first_ns <= 2 * s->p->damping_ns;
}

static void become_unstable(struct swim *s)
{
    count(s, SWIM_COUNT_UNSTABLE_SELF);
    record_set(s, s->self, s->members[s->self].incarnation, WIRE_STANDING_UNSTABLE);
    news_tell(s, s->self, TELL_ALL);
    s->quiet_ns =
        s->quiet_ns == 0 ? s->p->quiet_min_ns : earlier(2 * s->quiet_ns, s->p->quiet_max_ns);
    s->quiet_end_ns = s->now_ns + s->quiet_ns;
}

void self_claimed(struct swim *s, uint32_t incarnation, enum wire_standing standing)
{
    const struct member *m = &s->members[s->self];

    if (!record_is_news(s, s->self, incarnation, standing))
        return;
    if (incarnation > m->incarnation && incarnation - m->incarnation > SWIM_AHEAD_MAX)
        return; /* only our own signature makes us believe that we were that far */
    if (standing == WIRE_STANDING_UNSTABLE && incarnation == m->incarnation &&
        was_refuted_often(s)) {
        become_unstable(s);
        return;
    }
    if (s->bumped_ns == 0 || s->now_ns - s->bumped_ns >= NS_PER_S)
        note_refutation(s);
    bump(s, incarnation);
}

void self_probed(struct swim *s, uint16_t from, const struct wire_probe *probe)
{
    const struct member *m = &s->members[s->self];
    struct wire_frame f;
    struct packet p;

    if (probe->standing == WIRE_STANDING_UNSTABLE && m->standing == WIRE_STANDING_UNSTABLE)
        self_gap(s);
    self_claimed(s, probe->incarnation, probe->standing);
    packet_start(&p);
    if (probe->incarnation < m->incarnation && news_signed_frame(s, s->self, &f))
        CHECK(packet_add(&p, &f)); /* first, so that it is more than our word */
    memset(&f, 0, sizeof(f));
    f.kind = WIRE_ANSWER;
    f.answer = (struct wire_answer){ s->health, m->incarnation };
    CHECK(packet_add(&p, &f));
    (void)packet_send(s, &p, from, SEND_ANSWER); /* it asks up to four times */
}

/* Somebody missed us, or we noticed ourselves that we were late: the quiet spell starts anew. */
void self_gap(struct swim *s)
{
    if (s->quiet_end_ns != NEVER_NS)
        s->quiet_end_ns = s->now_ns + s->quiet_ns;
}

void self_run(struct swim *s)
{
    if (s->now_ns >= s->health_ns) {
        if (s->health > 0)
            s->health--;
        s->health_ns = s->health > 0 ? s->now_ns + HEALTH_NS : NEVER_NS;
    }
    if (s->now_ns >= s->quiet_end_ns) {
        count(s, SWIM_COUNT_UNSTABLE_ENDED);
        bump(s, s->members[s->self].incarnation);
        if (s->quiet_end_ns != NEVER_NS) /* it must wait for its second */
            s->quiet_end_ns = s->now_ns + NS_PER_S;
    }
}
