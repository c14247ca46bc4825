#include "org/gf64.h"

#include <stddef.h>

enum { REDUCTION = 0x1b }; /* x^64 = x^4 + x^3 + x + 1 */

/* A product of up to 127 bits to 64: the upper half times the reduction, twice. */
static uint64_t reduce(uint64_t high, uint64_t low)
{
    uint64_t spill = (high >> 63) ^ (high >> 61) ^ (high >> 60); /* above bit 63 of high * 0x1b */

    low ^= high ^ (high << 1) ^ (high << 3) ^ (high << 4);
    return low ^ spill ^ (spill << 1) ^ (spill << 3) ^ (spill << 4);
}

static uint64_t mul_portable(uint64_t a, uint64_t b)
{
    uint64_t table[16], high = 0, low = 0;

    table[0] = 0;
    table[1] = a;
    for (size_t i = 2; i < 16; i += 2) {
        uint64_t half = table[i / 2];

        /* Twice, reduced at once, so that every entry fits into 64 bits. */
        table[i] = (half << 1) ^ ((0 - (half >> 63)) & REDUCTION);
        table[i + 1] = table[i] ^ a;
    }
    for (unsigned shift = 64; shift > 0; shift -= 4) {
        high = high << 4 | low >> 60;
        low = (low << 4) ^ table[b >> (shift - 4) & 15];
    }
    return reduce(high, low);
}

uint64_t gf64_power(gf64_multiply mul, uint64_t x, unsigned exponent)
{
    uint64_t result = 1;

    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = mul(result, x);
        x = mul(x, x);
    }
    return result;
}

static void power_sums_portable(uint64_t *sums, unsigned first, unsigned end,
                                const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t square = mul_portable(numbers[i], numbers[i]);
        uint64_t power = gf64_power(mul_portable, numbers[i], 2 * first + 1);

        for (unsigned k = first; k < end; k++) {
            sums[k - first] ^= power;
            power = mul_portable(power, square);
        }
    }
}

const struct gf64 gf64_portable = { mul_portable, power_sums_portable };

#ifdef __x86_64__
typedef long long two_words __attribute__((vector_size(16)));

#define CARRY_LESS __attribute__((target("pclmul,sse4.1")))

CARRY_LESS static uint64_t mul_carry_less(uint64_t a, uint64_t b)
{
    two_words x = { (long long)a, 0 }, y = { (long long)b, 0 };
    two_words product = __builtin_ia32_pclmulqdq128(x, y, 0);

    return reduce((uint64_t)product[1], (uint64_t)product[0]);
}

/* The product of the low words, in the low word; the high word is of no use. Reduced by multiplying
 * as well, because moving words between registers of two kinds costs more. */
CARRY_LESS static inline two_words mul_low(two_words x, two_words y)
{
    static const two_words reduction = { REDUCTION, 0 };
    two_words product = __builtin_ia32_pclmulqdq128(x, y, 0);
    two_words once = __builtin_ia32_pclmulqdq128(product, reduction, 0x01);

    return product ^ once ^ __builtin_ia32_pclmulqdq128(once, reduction, 0x01);
}

enum { LANES = 8 }; /* numbers at a time: one product waits for the one before */

CARRY_LESS static void add_lanes(uint64_t *sums, unsigned count, const uint64_t *powers,
                                 const uint64_t *squares)
{
    two_words power[LANES], square[LANES];

    for (unsigned l = 0; l < LANES; l++) {
        power[l] = (two_words){ (long long)powers[l], 0 };
        square[l] = (two_words){ (long long)squares[l], 0 };
    }
    for (unsigned k = 0; k < count; k++) {
        two_words sum = power[0];

        power[0] = mul_low(power[0], square[0]);
        for (unsigned l = 1; l < LANES; l++) {
            sum ^= power[l];
            power[l] = mul_low(power[l], square[l]);
        }
        sums[k] ^= (uint64_t)sum[0];
    }
}

/* One number: its own powers side by side, each lane LANES sums further with each step. */
CARRY_LESS static void add_number(uint64_t *sums, unsigned first, unsigned count, uint64_t x)
{
    uint64_t square = mul_carry_less(x, x);
    uint64_t at = gf64_power(mul_carry_less, x, 2 * first + 1);
    two_words power[LANES], step = { (long long)gf64_power(mul_carry_less, square, LANES), 0 };

    for (unsigned l = 0; l < LANES; l++) {
        power[l] = (two_words){ (long long)at, 0 };
        at = mul_carry_less(at, square);
    }
    for (unsigned k = 0; k < count; k += LANES) {
        for (unsigned l = 0; l < LANES && k + l < count; l++) {
            sums[k + l] ^= (uint64_t)power[l][0];
            power[l] = mul_low(power[l], step);
        }
    }
}

static void power_sums_carry_less(uint64_t *sums, unsigned first, unsigned end,
                                  const uint64_t *numbers, size_t count)
{
    size_t i = 0;

    for (; count - i >= LANES; i += LANES) {
        uint64_t powers[LANES], squares[LANES];

        for (size_t l = 0; l < LANES; l++) {
            powers[l] = gf64_power(mul_carry_less, numbers[i + l], 2 * first + 1);
            squares[l] = mul_carry_less(numbers[i + l], numbers[i + l]);
        }
        add_lanes(sums, end - first, powers, squares);
    }
    for (; i < count; i++)
        add_number(sums, first, end - first, numbers[i]);
}

static const struct gf64 carry_less = { mul_carry_less, power_sums_carry_less };
#endif

const struct gf64 *gf64_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        return &carry_less;
#endif
    return &gf64_portable;
}

/* a^(2^64 - 2) by squaring and multiplying. */
uint64_t gf64_inverse(gf64_multiply mul, uint64_t a)
{
    uint64_t result = 1, power = a;

    CHECK(a != 0);
    for (unsigned i = 1; i < 64; i++) {
        power = mul(power, power);
        result = mul(result, power);
    }
    return result;
}
