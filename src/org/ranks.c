#include "org/ranks.h"

#include <errno.h>

#include "base/varint.h"

/* The parameter of the code for gaps of this mean size. */
static unsigned parameter(const uint32_t *ranks, uint32_t count)
{
    uint32_t mean = (ranks[count - 1] - ranks[0]) / (count - 1);

    CHECK(mean > 0); /* they rise */
    return 31u - (unsigned)__builtin_clz(mean);
}

/* Bits on their way into bytes. */
struct bit_writer {
    struct output *o;
    unsigned bits;
    uint8_t byte;
};

static void put_bit(struct bit_writer *w, unsigned bit)
{
    w->byte |= (uint8_t)(bit << w->bits);
    if (++w->bits < 8)
        return;
    output_u8(w->o, w->byte);
    w->bits = 0;
    w->byte = 0;
}

void ranks_write(struct output *o, const uint32_t *ranks, uint32_t count)
{
    struct bit_writer w = { .o = o };
    unsigned k;

    CHECK(count > 0);
    varint_write(o, count);
    varint_write(o, ranks[0]);
    if (count == 1)
        return;
    k = parameter(ranks, count);
    output_u8(o, (uint8_t)k);
    for (uint32_t i = 1; i < count; i++) {
        uint32_t gap = ranks[i] - ranks[i - 1] - 1;

        CHECK(ranks[i] > ranks[i - 1]);
        for (uint32_t ones = gap >> k; ones > 0; ones--)
            put_bit(&w, 1);
        put_bit(&w, 0);
        for (unsigned bit = 0; bit < k; bit++)
            put_bit(&w, gap >> bit & 1);
    }
    if (w.bits > 0)
        output_u8(o, w.byte);
}

struct bit_reader {
    struct cursor *c;
    unsigned bits;
    uint8_t byte;
};

static unsigned take_bit(struct bit_reader *r)
{
    unsigned bit;

    if (r->bits == 0) {
        r->byte = cursor_u8(r->c);
        r->bits = 8;
    }
    bit = r->byte & 1;
    r->byte >>= 1;
    r->bits--;
    return bit;
}

/* One gap; false when the input ends or the gap reaches `below`. */
static bool take_gap(struct bit_reader *r, unsigned k, uint32_t below, uint64_t *ret)
{
    uint64_t gap = 0;

    while (take_bit(r) == 1) {
        gap += 1ull << k;
        if (r->c->failed || gap >= below)
            return false;
    }
    for (unsigned bit = 0; bit < k; bit++)
        gap |= (uint64_t)take_bit(r) << bit;
    *ret = gap;
    return !r->c->failed;
}

int ranks_read(struct cursor *c, uint32_t limit, uint32_t below, uint32_t *ret, uint32_t *ret_count)
{
    struct bit_reader r = { .c = c };
    uint32_t count = (uint32_t)varint_read(c, limit);
    uint64_t rank = varint_read(c, UINT32_MAX);
    unsigned k;

    if (c->failed || count == 0 || rank >= below)
        return -EBADMSG;
    ret[0] = (uint32_t)rank;
    *ret_count = count;
    if (count == 1)
        return 0;
    k = cursor_u8(c);
    if (c->failed || k > 31)
        return -EBADMSG;
    for (uint32_t i = 1; i < count; i++) {
        uint64_t gap;

        if (!take_gap(&r, k, below, &gap))
            return -EBADMSG;
        rank += gap + 1;
        if (rank >= below)
            return -EBADMSG;
        ret[i] = (uint32_t)rank;
    }
    return r.byte == 0 && k == parameter(ret, count) ? 0 : -EBADMSG;
}
