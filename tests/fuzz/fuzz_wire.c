/* A packet of the liveness protocol: what is accepted, written again, gives the same bytes. */
#include <string.h>

#include "fuzz.h"
#include "org/wire.h"

/* The frame that ends `left` bytes before the packet's end is the only encoding of its values. */
static void check_again(const struct wire_frame *f, const uint8_t *end)
{
    uint8_t bytes[WIRE_PACKET_MAX];
    struct wire_writer w = { .bytes = bytes, .capacity = sizeof(bytes) };

    CHECK(wire_put(&w, f) == 0 && w.size == wire_frame_size(f->kind));
    CHECK(memcmp(end - w.size, bytes, w.size) == 0);
    w = (struct wire_writer){ .bytes = bytes, .capacity = w.size - 1 };
    CHECK(wire_put(&w, f) < 0 && w.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_make(data, size);
    struct wire_frame f;
    int r = wire_check(data, size);
    int more;

    while ((more = wire_next(&c, &f)) == 1)
        check_again(&f, data + size - cursor_left(&c));
    CHECK((more == 0 && size > 0 && size <= WIRE_PACKET_MAX) == (r == 0));
    return 0;
}
