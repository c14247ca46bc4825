#include "base/cursor.h"

#include <string.h>

const uint8_t *cursor_take(struct cursor *c, size_t size)
{
    const uint8_t *view;

    CHECK(c->offset <= c->size);
    if (c->failed || size > c->size - c->offset) {
        c->failed = true;
        return NULL;
    }
    view = c->bytes + c->offset;
    c->offset += size;
    return view;
}

void cursor_copy(struct cursor *c, void *ret, size_t size)
{
    const uint8_t *view = cursor_take(c, size);

    if (view && size > 0)
        memcpy(ret, view, size);
    else
        memset(ret, 0, size);
}

void cursor_skip(struct cursor *c, size_t size)
{
    (void)cursor_take(c, size); /* a failure is remembered in the cursor */
}

void cursor_seek(struct cursor *c, size_t offset)
{
    if (c->failed || offset > c->size) {
        c->failed = true;
        return;
    }
    c->offset = offset;
}

static uint64_t read_le(struct cursor *c, size_t size)
{
    const uint8_t *view = cursor_take(c, size);
    uint64_t value = 0;

    for (size_t i = 0; view && i < size; i++)
        value |= (uint64_t)view[i] << (8 * i);
    return value;
}

static uint64_t read_be(struct cursor *c, size_t size)
{
    const uint8_t *view = cursor_take(c, size);
    uint64_t value = 0;

    for (size_t i = 0; view && i < size; i++)
        value = value << 8 | view[i];
    return value;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)read_le(c, 1);
}

uint16_t cursor_le16(struct cursor *c)
{
    return (uint16_t)read_le(c, 2);
}

uint32_t cursor_le32(struct cursor *c)
{
    return (uint32_t)read_le(c, 4);
}

uint64_t cursor_le64(struct cursor *c)
{
    return read_le(c, 8);
}

uint16_t cursor_be16(struct cursor *c)
{
    return (uint16_t)read_be(c, 2);
}

uint32_t cursor_be32(struct cursor *c)
{
    return (uint32_t)read_be(c, 4);
}

uint64_t cursor_be64(struct cursor *c)
{
    return read_be(c, 8);
}

bool cursor_line(struct cursor *c, const char **ret_line, size_t *ret_length)
{
    const uint8_t *start, *newline;

    if (c->failed || cursor_left(c) == 0)
        return false;
    start = c->bytes + c->offset;
    newline = memchr(start, '\n', cursor_left(c));
    if (!newline)
        return false;
    *ret_line = (const char *)start;
    *ret_length = (size_t)(newline - start);
    c->offset += *ret_length + 1;
    return true;
}

bool cursor_finished(const struct cursor *c)
{
    return !c->failed && c->offset == c->size;
}
