#include "org/wire.h"

#include <errno.h>
#include <string.h>

enum { KIND_BITS = 6, KIND_MASK = 0x3f };
enum { SUMMARY_ASKS = 1 };

/* The length of each kind's value. */
static const uint8_t value_sizes[] = {
    [WIRE_BEAT] = 14,        [WIRE_PROBE] = 4,
    [WIRE_ANSWER] = 4,       [WIRE_CALL] = 15,
    [WIRE_REPORT] = 11,      [WIRE_SIGNED] = 76,
    [WIRE_UNSTABLE] = 11,    [WIRE_SUMMARY] = 1 + 4 * WIRE_BUCKETS,
    [WIRE_UNREACHABLE] = 11, [WIRE_HELD] = 12,
    [WIRE_SUSPECT] = 19,
};

_Static_assert(ARRAY_SIZE(value_sizes) == WIRE_KIND_MAX_, "every kind has a length");
_Static_assert(WIRE_HEADER_SIZE + 14 <= WIRE_BEAT_PAYLOAD_MAX, "a beat is one small packet");

size_t wire_frame_size(enum wire_kind kind)
{
    CHECK(kind > 0 && kind < WIRE_KIND_MAX_);
    return WIRE_HEADER_SIZE + (size_t)value_sizes[kind];
}

static void put(struct wire_writer *w, uint64_t value, size_t size)
{
    CHECK(size <= w->capacity - w->size);
    CHECK(size == 8 || value >> (8 * size) == 0);
    for (size_t i = 0; i < size; i++)
        w->bytes[w->size++] = (uint8_t)(value >> (8 * i));
}

static void put_beat(struct wire_writer *w, const struct wire_beat *b)
{
    CHECK(b->turn > 0 && b->turn <= WIRE_TURN_MAX);
    CHECK(b->health <= WIRE_HEALTH_MAX);
    put(w, (uint64_t)b->turn << 4 | b->health, 1);
    put(w, b->incarnation, 3);
    put(w, b->number, 1);
    put(w, b->digest, 1);
    put(w, b->root, 8);
}

static void put_report(struct wire_writer *w, const struct wire_report *r)
{
    put(w, r->subject, 8);
    put(w, r->number, 2);
    put(w, r->unanswered, 1);
}

static void put_call(struct wire_writer *w, const struct wire_call *c)
{
    put(w, c->subject, 8);
    put(w, c->number, 2);
    put(w, c->window_ms, 2);
    put(w, c->incarnation, 3);
}

static void put_claim(struct wire_writer *w, uint64_t subject, uint32_t incarnation)
{
    put(w, subject, 8);
    put(w, incarnation, 3);
}

static void put_value(struct wire_writer *w, const struct wire_frame *f)
{
    switch (f->kind) {
    case WIRE_BEAT:
        put_beat(w, &f->beat);
        break;
    case WIRE_PROBE:
        put(w, f->probe.standing, 1);
        put(w, f->probe.incarnation, 3);
        break;
    case WIRE_ANSWER:
        put(w, f->answer.health, 1);
        put(w, f->answer.incarnation, 3);
        break;
    case WIRE_CALL:
        put_call(w, &f->call);
        break;
    case WIRE_REPORT:
        put_report(w, &f->report);
        break;
    case WIRE_UNREACHABLE:
        put_claim(w, f->unreachable.subject, f->unreachable.incarnation);
        break;
    case WIRE_SIGNED:
        put_claim(w, f->proved.subject, f->proved.incarnation);
        put(w, f->proved.standing, 1);
        memcpy(w->bytes + w->size, f->proved.signature, WIRE_SIGNATURE_SIZE);
        w->size += WIRE_SIGNATURE_SIZE;
        break;
    case WIRE_UNSTABLE:
        put_claim(w, f->unstable.subject, f->unstable.incarnation);
        break;
    case WIRE_SUMMARY:
        put(w, f->summary.asks ? SUMMARY_ASKS : 0, 1);
        for (size_t i = 0; i < WIRE_BUCKETS; i++)
            put(w, f->summary.sums[i], 4);
        break;
    case WIRE_HELD:
        put_claim(w, f->held.subject, f->held.incarnation);
        put(w, f->held.standing, 1);
        break;
    case WIRE_SUSPECT:
        put_claim(w, f->suspect.subject, f->suspect.incarnation);
        put(w, f->suspect.accuser, 8);
        break;
    case WIRE_KIND_MAX_:
    default:
        check_failed("a kind that can be sent", __FILE__, __LINE__);
    }
}

int wire_put(struct wire_writer *w, const struct wire_frame *frame)
{
    size_t size = wire_frame_size(frame->kind), start = w->size;

    CHECK(w->size <= w->capacity);
    if (size > w->capacity - w->size)
        return -ENOSPC;
    put(w, (uint64_t)WIRE_VERSION << KIND_BITS | frame->kind, 1);
    put(w, value_sizes[frame->kind], 1);
    put_value(w, frame);
    CHECK(w->size == start + size);
    return 0;
}

static uint32_t take_24(struct cursor *c)
{
    uint32_t low = cursor_le16(c);

    return low | (uint32_t)cursor_u8(c) << 16;
}

static bool take_beat(struct cursor *c, struct wire_beat *b)
{
    uint8_t first = cursor_u8(c);

    b->turn = first >> 4;
    b->health = first & 15;
    b->incarnation = take_24(c);
    b->number = cursor_u8(c);
    b->digest = cursor_u8(c);
    b->root = cursor_le64(c);
    return b->turn > 0;
}

static bool take_standing(struct cursor *c, enum wire_standing *ret)
{
    uint8_t value = cursor_u8(c);

    if (value >= WIRE_STANDING_MAX_)
        return false;
    *ret = (enum wire_standing)value;
    return true;
}

static bool take_probe(struct cursor *c, struct wire_probe *p)
{
    if (!take_standing(c, &p->standing))
        return false;
    p->incarnation = take_24(c);
    return true;
}

static bool take_answer(struct cursor *c, struct wire_answer *a)
{
    a->health = cursor_u8(c);
    a->incarnation = take_24(c);
    return a->health <= WIRE_HEALTH_MAX;
}

static bool take_call(struct cursor *c, struct wire_call *call)
{
    call->subject = cursor_le64(c);
    call->number = cursor_le16(c);
    call->window_ms = cursor_le16(c);
    call->incarnation = take_24(c);
    return call->subject != 0;
}

static bool take_report(struct cursor *c, struct wire_report *r)
{
    r->subject = cursor_le64(c);
    r->number = cursor_le16(c);
    r->unanswered = cursor_u8(c);
    return r->subject != 0;
}

static bool take_unreachable(struct cursor *c, struct wire_unreachable *u)
{
    u->subject = cursor_le64(c);
    u->incarnation = take_24(c);
    return u->subject != 0;
}

static bool take_signed(struct cursor *c, struct wire_signed *p)
{
    p->subject = cursor_le64(c);
    p->incarnation = take_24(c);
    if (!take_standing(c, &p->standing))
        return false;
    cursor_copy(c, p->signature, WIRE_SIGNATURE_SIZE);
    return p->subject != 0;
}

static bool take_unstable(struct cursor *c, struct wire_unstable *u)
{
    u->subject = cursor_le64(c);
    u->incarnation = take_24(c);
    return u->subject != 0;
}

static bool take_summary(struct cursor *c, struct wire_summary *s)
{
    uint8_t flags = cursor_u8(c);

    s->asks = flags & SUMMARY_ASKS;
    for (size_t i = 0; i < WIRE_BUCKETS; i++)
        s->sums[i] = cursor_le32(c);
    return (flags & ~SUMMARY_ASKS) == 0;
}

static bool take_held(struct cursor *c, struct wire_held *h)
{
    h->subject = cursor_le64(c);
    h->incarnation = take_24(c);
    return take_standing(c, &h->standing) && h->subject != 0;
}

static bool take_suspect(struct cursor *c, struct wire_suspect *s)
{
    s->subject = cursor_le64(c);
    s->incarnation = take_24(c);
    s->accuser = cursor_le64(c);
    return s->subject != 0 && s->accuser != 0;
}

static bool take_value(struct cursor *c, struct wire_frame *f)
{
    switch (f->kind) {
    case WIRE_BEAT:
        return take_beat(c, &f->beat);
    case WIRE_PROBE:
        return take_probe(c, &f->probe);
    case WIRE_ANSWER:
        return take_answer(c, &f->answer);
    case WIRE_CALL:
        return take_call(c, &f->call);
    case WIRE_REPORT:
        return take_report(c, &f->report);
    case WIRE_UNREACHABLE:
        return take_unreachable(c, &f->unreachable);
    case WIRE_SIGNED:
        return take_signed(c, &f->proved);
    case WIRE_UNSTABLE:
        return take_unstable(c, &f->unstable);
    case WIRE_SUMMARY:
        return take_summary(c, &f->summary);
    case WIRE_HELD:
        return take_held(c, &f->held);
    case WIRE_SUSPECT:
        return take_suspect(c, &f->suspect);
    case WIRE_KIND_MAX_:
    default:
        return false;
    }
}

int wire_next(struct cursor *c, struct wire_frame *ret_frame)
{
    while (!c->failed && cursor_left(c) > 0) {
        uint8_t first = cursor_u8(c), size = cursor_u8(c), kind = first & KIND_MASK;
        const uint8_t *value = cursor_take(c, size);
        struct wire_frame frame;
        struct cursor inside;

        if (c->failed)
            break;
        if (first >> KIND_BITS != WIRE_VERSION || kind == 0 || kind >= WIRE_KIND_MAX_)
            continue;
        if (size != value_sizes[kind])
            return -EBADMSG;
        frame.kind = (enum wire_kind)kind;
        inside = cursor_make(value, size);
        if (!take_value(&inside, &frame) || !cursor_finished(&inside))
            return -EBADMSG;
        *ret_frame = frame;
        return 1;
    }
    return c->failed ? -EBADMSG : 0;
}

int wire_check(const uint8_t *bytes, size_t size)
{
    struct cursor c = cursor_make(bytes, size);
    struct wire_frame frame;
    int r;

    if (size == 0 || size > WIRE_PACKET_MAX)
        return -EBADMSG;
    do
        r = wire_next(&c, &frame);
    while (r > 0);
    return r;
}

void wire_alive_text(uint64_t id, uint32_t incarnation,
                     uint8_t ret_text[static WIRE_ALIVE_TEXT_SIZE])
{
    static const char domain[16] = "broch-alive-1";
    struct wire_writer w = { .bytes = ret_text, .capacity = WIRE_ALIVE_TEXT_SIZE, .size = 16 };

    memcpy(ret_text, domain, sizeof(domain));
    put(&w, id, 8);
    put(&w, incarnation, 8);
}

size_t wire_outer_size(size_t payload, bool ipv6)
{
    size_t inner = (40 + 8 + payload + 15) / 16 * 16;

    return (ipv6 ? 48u : 28u) + 32 + inner;
}
