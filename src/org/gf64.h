/* Arithmetic in GF(2^64) = GF(2)[x] / (x^64 + x^4 + x^3 + x + 1): addition is exclusive or. Two
 * multiplications with equal results: a portable one and one with the carry-less multiply of x86.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

typedef uint64_t (*gf64_multiply)(uint64_t a, uint64_t b);

struct gf64 {
    gf64_multiply multiply;
    /* Adds x^(2k+1) to sums[k - first] for each k from `first` to end - 1 and each x of numbers. */
    void (*power_sums)(uint64_t *sums, unsigned first, unsigned end, const uint64_t *numbers,
                       size_t count);
};

extern const struct gf64 gf64_portable;

/* The fastest arithmetic that this machine has. */
const struct gf64 *gf64_best(void);

/* The multiplicative inverse; a is not 0. */
uint64_t gf64_inverse(gf64_multiply mul, uint64_t a);

/* x^exponent. */
uint64_t gf64_power(gf64_multiply mul, uint64_t x, unsigned exponent);
