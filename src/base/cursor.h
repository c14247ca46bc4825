/* The bounded cursor: the only way this code reads bytes that somebody else wrote. Consume, then
 * decode; a read beyond the end sets `failed` and yields zeros, so that a decoder may read a whole
 * record and look once. Never allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct cursor {
    const uint8_t *bytes; /* borrowed; must outlive the cursor */
    size_t size;
    size_t offset; /* <= size always */
    bool failed;
};

static inline struct cursor cursor_make(const void *bytes, size_t size)
{
    return (struct cursor){ .bytes = bytes, .size = size };
}

static inline size_t cursor_left(const struct cursor *c)
{
    return c->size - c->offset;
}

/* A view of the next `size` bytes, which are consumed; NULL (and failed) when fewer are left. */
const uint8_t *cursor_take(struct cursor *c, size_t size);

/* Copies the next `size` bytes to `ret`; zeros when fewer are left. */
void cursor_copy(struct cursor *c, void *ret, size_t size);

void cursor_skip(struct cursor *c, size_t size);

/* Moves to an absolute offset; beyond the end fails. */
void cursor_seek(struct cursor *c, size_t offset);

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_le16(struct cursor *c);
uint32_t cursor_le32(struct cursor *c);
uint64_t cursor_le64(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);

/* One line without its newline (and nothing of a last line that has none): true when there was one.
 */
MUST_USE bool cursor_line(struct cursor *c, const char **ret_line, size_t *ret_length);

/* True when everything was read and nothing failed. */
MUST_USE bool cursor_finished(const struct cursor *c);
