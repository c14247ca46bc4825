/* Arithmetic in GF(2^64) = GF(2)[x] / (x^64 + x^4 + x^3 + x + 1): addition is exclusive or. Two
 * multiplications with equal results: a portable one and one with the carry-less multiply of x86.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

typedef uint64_t (*gf64_multiply)(uint64_t a, uint64_t b);

uint64_t gf64_mul_portable(uint64_t a, uint64_t b);

/* The fastest multiplication that this machine has. */
gf64_multiply gf64_best(void);

/* The multiplicative inverse; a is not 0. */
uint64_t gf64_inverse(gf64_multiply mul, uint64_t a);
