#include "org/swim_state.h"

#include <string.h>

/* How full the window may be for each class. A beat always finds room, so that a busy node is not
 * taken for a dead one; answers come next, so that one verdict does not bring others, and whatever
 * else there is to do leaves a few for them: fewer in a crowd, where hardly anybody is there to ask
 * us. Our own verdict may pass its inquiry: waiting for the
 * inquiry's packets to be a second old, it would come half a second late. */
static const struct {
    uint8_t packets;
    uint32_t bytes;
} marks[] = {
    [SEND_BEAT] = { SWIM_PACKETS_PER_S, SWIM_BYTES_PER_S },
    [SEND_ANSWER] = { SWIM_PACKETS_PER_S - 1, SWIM_BYTES_PER_S - 1024 },
    [SEND_VERDICT] = { SWIM_PACKETS_PER_S - 2, SWIM_BYTES_PER_S - 2048 },
    [SEND_REPORT] = { SWIM_PACKETS_PER_S - 3, SWIM_BYTES_PER_S - 2048 },
    [SEND_CALL] = { SWIM_PACKETS_PER_S - 4, SWIM_BYTES_PER_S - 3072 },
    [SEND_INQUIRY] = { SWIM_PACKETS_PER_S - 6, SWIM_BYTES_PER_S - 3072 },
    [SEND_NEWS] = { SWIM_PACKETS_PER_S - 3, SWIM_BYTES_PER_S - 2048 },
    [SEND_REPAIR] = { SWIM_PACKETS_PER_S / 2, SWIM_BYTES_PER_S / 2 },
};

_Static_assert(ARRAY_SIZE(marks) == SEND_CLASS_MAX_, "every class has its mark");

static void forget(struct budget *b, uint64_t now_ns)
{
    while (b->count > 0 && now_ns - b->sent_ns[b->head] >= NS_PER_S) {
        CHECK(b->bytes >= b->sizes[b->head]);
        b->bytes -= b->sizes[b->head];
        b->head = (uint8_t)((b->head + 1) % SWIM_PACKETS_PER_S);
        b->count--;
    }
}

static bool spend(struct swim *s, size_t size, enum send_class class)
{
    struct budget *b = &s->budget;
    size_t outer = wire_outer_size(size, true);
    uint8_t at;

    forget(b, s->now_ns);
    if (b->count >= marks[class].packets || b->bytes + outer > marks[class].bytes) {
        count(s, SWIM_COUNT_BUDGET_DENIED);
        return false;
    }
    CHECK(b->count < SWIM_PACKETS_PER_S);
    at = (uint8_t)((b->head + b->count) % SWIM_PACKETS_PER_S);
    b->sent_ns[at] = s->now_ns;
    b->sizes[at] = (uint16_t)outer;
    b->bytes += (uint32_t)outer;
    b->count++;
    return true;
}

uint8_t budget_used(struct swim *s)
{
    forget(&s->budget, s->now_ns);
    return s->budget.count;
}

uint64_t budget_next(struct swim *s, enum send_class class)
{
    struct budget *b = &s->budget;
    size_t largest = wire_outer_size(WIRE_PACKET_MAX, true);
    uint32_t bytes;
    uint8_t packets;

    forget(b, s->now_ns);
    packets = b->count;
    bytes = b->bytes;
    for (uint8_t i = 0;; i++) {
        uint8_t at = (uint8_t)((b->head + i) % SWIM_PACKETS_PER_S);

        if (packets < marks[class].packets && bytes + largest <= marks[class].bytes)
            return i == 0
                       ? s->now_ns
                       : b->sent_ns[(at + SWIM_PACKETS_PER_S - 1) % SWIM_PACKETS_PER_S] + NS_PER_S;
        CHECK(i < b->count);
        packets--;
        bytes -= b->sizes[at];
    }
}

void packet_start(struct packet *p)
{
    p->writer = (struct wire_writer){ .bytes = p->bytes, .capacity = sizeof(p->bytes) };
}

bool packet_add(struct packet *p, const struct wire_frame *frame)
{
    return wire_put(&p->writer, frame) == 0;
}

bool packet_send(struct swim *s, struct packet *p, uint16_t to, enum send_class class)
{
    struct swim_effects *out = s->out;
    size_t size = p->writer.size;

    CHECK(to != s->self);
    if (size == 0)
        return true;
    if (swim_is_random(s) && class <= SEND_INQUIRY) {
        random_piggyback(s, p);
        size = p->writer.size;
    }
    if (!spend(s, size, class))
        return false;
    CHECK(out->send_count < ARRAY_SIZE(out->sends));
    CHECK(size <= sizeof(out->bytes) - out->byte_count);
    memcpy(out->bytes + out->byte_count, p->bytes, size);
    out->sends[out->send_count++] =
        (struct swim_send){ .to = to, .size = (uint16_t)size, .offset = (uint32_t)out->byte_count };
    out->byte_count += size;
    return true;
}

bool frame_send(struct swim *s, const struct wire_frame *frame, uint16_t to, enum send_class class)
{
    struct packet p;

    packet_start(&p);
    CHECK(packet_add(&p, frame));
    return packet_send(s, &p, to, class);
}
