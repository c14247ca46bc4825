#include "base/varint.h"

void varint_write(struct output *o, uint64_t value)
{
    uint8_t *place = output_reserve(o, varint_size(value));

    if (!place)
        return;
    while (value >= 0x80) {
        *place++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *place = (uint8_t)value;
}

static uint64_t fail(struct cursor *c)
{
    c->failed = true;
    return 0;
}

uint64_t varint_read(struct cursor *c, uint64_t limit)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = cursor_u8(c);

        if (c->failed)
            return 0;
        if (shift == 63 && byte > 1)
            return fail(c); /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if ((byte == 0 && shift > 0) || value > limit)
            return fail(c);
        return value;
    }
    return fail(c);
}

size_t varint_size(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}
