/* A sketch of a set of 64-bit numbers (PinSketch): 64 odd power sums in GF(2^64), 512 bytes, from
 * which the difference of two sets is found exactly when it has at most 64 elements, however large
 * the sets are. Adding and removing a number are the same operation, so a sketch is kept
 * incrementally and the difference of two sketches is their exclusive or. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/output.h"
#include "org/gf64.h"

enum {
    SKETCH_CAPACITY = 64,
    SKETCH_SIZE = 8 * SKETCH_CAPACITY,
    SKETCH_MORE_MAX = 384, /* sums in all; decoding takes time with the square of them */
};

/* sums[k] is the sum of x^(2k+1) over the numbers x, none of which is 0. Sets that differ in more
 * than 64 numbers need more sums; those are worked out when they are needed (gf64.h). */
struct sketch {
    uint64_t sums[SKETCH_CAPACITY];
};

void sketch_toggle(struct sketch *s, const struct gf64 *f, uint64_t number);
void sketch_combine(struct sketch *s, const struct sketch *other);

/* Each sum as le64. */
void sketch_write(const struct sketch *s, struct output *o);
void sketch_read(struct cursor *c, struct sketch *ret);

/* Finds the numbers of a set from its first `capacity` (1 to SKETCH_MORE_MAX) sums, in rising
 * order. Returns how many, or -ERANGE when they are more than `capacity` (or, with a probability of
 * about 2^-64 each, pretend to be fewer). `ret` has room for `capacity`. The time is bounded
 * whatever the sums are. */
MUST_USE int sketch_decode(const uint64_t *sums, unsigned capacity, const struct gf64 *f,
                           uint64_t *ret);
