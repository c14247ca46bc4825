#include "recording.h"

#include <errno.h>
#include <string.h>

static const char magic[8] = { 'B', 'R', 'O', 'C', 'H', 'R', 'E', 'C' };

enum { EVENT_HEAD = 27 };

struct writer {
    uint8_t *bytes;
    size_t size, capacity;
};

static void put(struct writer *w, uint64_t value, size_t size)
{
    CHECK(size <= w->capacity - w->size);
    for (size_t i = 0; i < size; i++)
        w->bytes[w->size++] = (uint8_t)(value >> (8 * i));
}

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    CHECK(size <= w->capacity - w->size);
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

bool recording_put_start(FILE *file, const struct recording_start *start)
{
    uint8_t bytes[128 + 8 * RECORDING_NODES_MAX];
    struct writer w = { .bytes = bytes, .capacity = sizeof(bytes) };

    CHECK(start->count <= RECORDING_NODES_MAX);
    put_bytes(&w, magic, sizeof(magic));
    put_bytes(&w, start->salt, sizeof(start->salt));
    put(&w, start->id, 8);
    put(&w, start->seed, 8);
    put(&w, start->incarnation, 4);
    put(&w, start->proofs, 2);
    put(&w, start->capacity, 2);
    put(&w, start->now_ns, 8);
    put(&w, start->count, 2);
    for (uint16_t i = 0; i < start->count; i++)
        put(&w, start->ids[i], 8);
    return fwrite(w.bytes, w.size, 1, file) == 1;
}

bool recording_put(FILE *file, uint8_t tag, const void *value, size_t size)
{
    uint8_t head[5];
    struct writer w = { .bytes = head, .capacity = sizeof(head) };

    put(&w, tag, 1);
    put(&w, size, 4);
    return fwrite(head, sizeof(head), 1, file) == 1 &&
           (size == 0 || fwrite(value, size, 1, file) == 1);
}

bool recording_put_event(FILE *file, const struct swim_event *event)
{
    uint8_t bytes[EVENT_HEAD + WIRE_PACKET_MAX + 1];
    struct writer w = { .bytes = bytes, .capacity = sizeof(bytes) };
    bool packet = event->kind == SWIM_EVENT_PACKET;

    CHECK(event->kind != SWIM_EVENT_ROSTER);
    put(&w, event->kind, 1);
    put(&w, event->now_ns, 8);
    put(&w, packet ? event->from : 0, 2);
    put(&w, packet ? event->received_ns : 0, 8);
    put(&w, event->root, 8);
    if (packet && event->size > 0)
        put_bytes(&w, event->bytes, event->size);
    return recording_put(file, 'E', bytes, w.size);
}

size_t recording_effects(int result, const struct swim_effects *effects,
                         uint8_t ret[static RECORDING_EFFECTS_MAX])
{
    struct writer w = { .bytes = ret, .capacity = RECORDING_EFFECTS_MAX };

    put(&w, (uint32_t)-result, 4);
    put(&w, effects->persist, 1);
    put(&w, effects->persist ? effects->incarnation : 0, 4);
    put(&w, effects->deadline_ns, 8);
    put(&w, effects->change_count, 2);
    for (size_t i = 0; i < effects->change_count; i++) {
        put(&w, effects->changes[i].slot, 2);
        put(&w, effects->changes[i].standing, 1);
        put(&w, effects->changes[i].incarnation, 4);
    }
    put(&w, effects->send_count, 2);
    for (size_t i = 0; i < effects->send_count; i++) {
        const struct swim_send *s = &effects->sends[i];

        put(&w, s->to, 2);
        put(&w, s->size, 2);
        put_bytes(&w, effects->bytes + s->offset, s->size);
    }
    return w.size;
}

int recording_take_start(struct cursor *c, struct recording_start *ret)
{
    char found[sizeof(magic)];

    memset(ret, 0, sizeof(*ret));
    cursor_copy(c, found, sizeof(found));
    cursor_copy(c, ret->salt, sizeof(ret->salt));
    ret->id = cursor_le64(c);
    ret->seed = cursor_le64(c);
    ret->incarnation = cursor_le32(c);
    ret->proofs = cursor_le16(c);
    ret->capacity = cursor_le16(c);
    ret->now_ns = cursor_le64(c);
    ret->count = cursor_le16(c);
    if (c->failed || memcmp(found, magic, sizeof(magic)) != 0 || ret->count == 0 ||
        ret->count > RECORDING_NODES_MAX || ret->capacity < ret->count ||
        ret->capacity > ROSTER_CAPACITY_MAX || ret->proofs == 0 || ret->proofs > SWIM_PROOFS_MAX ||
        ret->incarnation > WIRE_INCARNATION_MAX)
        return -EBADMSG;
    for (uint16_t i = 0; i < ret->count; i++)
        ret->ids[i] = cursor_le64(c);
    return c->failed ? -EBADMSG : 0;
}

int recording_next(struct cursor *c, struct record *ret)
{
    const uint8_t *value;
    uint32_t size;

    if (cursor_left(c) == 0)
        return 0;
    ret->tag = cursor_u8(c);
    size = cursor_le32(c);
    value = cursor_take(c, size);
    if (c->failed)
        return 0;
    if (!memchr("ESVF", ret->tag, 4))
        return -EBADMSG;
    ret->value = cursor_make(value, size);
    return 1;
}

int recording_take_event(const struct record *record, struct swim_event *ret)
{
    struct cursor c = record->value;

    memset(ret, 0, sizeof(*ret));
    ret->kind = (enum swim_event_kind)cursor_u8(&c);
    ret->now_ns = cursor_le64(&c);
    ret->from = cursor_le16(&c);
    ret->received_ns = cursor_le64(&c);
    ret->root = cursor_le64(&c);
    ret->size = cursor_left(&c);
    ret->bytes = cursor_take(&c, ret->size);
    if (c.failed || ret->kind >= SWIM_EVENT_MAX_ || ret->kind == SWIM_EVENT_ROSTER ||
        ret->received_ns > ret->now_ns)
        return -EBADMSG;
    return 0;
}
