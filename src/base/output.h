/* The bounded output: the counterpart of the cursor. Appends to a caller's buffer of fixed size; an
 * append that does not fit sets `failed` and writes nothing, so that an encoder may write a whole
 * record and look once. Never allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct output {
    uint8_t *bytes; /* borrowed; must outlive the output */
    size_t capacity;
    size_t size; /* <= capacity always */
    bool failed;
};

static inline struct output output_make(void *bytes, size_t capacity)
{
    return (struct output){ .bytes = bytes, .capacity = capacity };
}

/* Room for `size` bytes at the end, which the caller fills at once; NULL (and failed) when there
 * are fewer. */
uint8_t *output_reserve(struct output *o, size_t size);

void output_copy(struct output *o, const void *bytes, size_t size);
void output_u8(struct output *o, uint8_t value);
void output_le16(struct output *o, uint16_t value);
void output_le32(struct output *o, uint32_t value);
void output_le64(struct output *o, uint64_t value);

/* True when nothing failed. */
MUST_USE bool output_fits(const struct output *o);
