#include "base/output.h"

#include <string.h>

uint8_t *output_reserve(struct output *o, size_t size)
{
    uint8_t *place;

    CHECK(o->size <= o->capacity);
    if (o->failed || size > o->capacity - o->size) {
        o->failed = true;
        return NULL;
    }
    place = o->bytes + o->size;
    o->size += size;
    return place;
}

void output_copy(struct output *o, const void *bytes, size_t size)
{
    uint8_t *place;

    if (size == 0)
        return; /* and an output of no bytes at all has no place to point to */
    place = output_reserve(o, size);
    if (place)
        memcpy(place, bytes, size);
}

static void write_le(struct output *o, uint64_t value, size_t size)
{
    uint8_t *place = output_reserve(o, size);

    for (size_t i = 0; place && i < size; i++)
        place[i] = (uint8_t)(value >> (8 * i));
}

void output_u8(struct output *o, uint8_t value)
{
    write_le(o, value, 1);
}

void output_le16(struct output *o, uint16_t value)
{
    write_le(o, value, 2);
}

void output_le32(struct output *o, uint32_t value)
{
    write_le(o, value, 4);
}

void output_le64(struct output *o, uint64_t value)
{
    write_le(o, value, 8);
}

bool output_fits(const struct output *o)
{
    return !o->failed;
}
