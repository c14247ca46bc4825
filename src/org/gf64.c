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

uint64_t gf64_mul_portable(uint64_t a, uint64_t b)
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

#ifdef __x86_64__
typedef long long two_words __attribute__((vector_size(16)));

__attribute__((target("pclmul,sse4.1"))) static uint64_t mul_carry_less(uint64_t a, uint64_t b)
{
    two_words x = { (long long)a, 0 }, y = { (long long)b, 0 };
    two_words product = __builtin_ia32_pclmulqdq128(x, y, 0);

    return reduce((uint64_t)product[1], (uint64_t)product[0]);
}
#endif

gf64_multiply gf64_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        return mul_carry_less;
#endif
    return gf64_mul_portable;
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
