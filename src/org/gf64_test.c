#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/gf64.h"
#include "org/org_test.h"

/* Bit by bit, from the definition. */
static uint64_t mul_by_definition(uint64_t a, uint64_t b)
{
    uint64_t result = 0;

    for (unsigned i = 64; i-- > 0;) {
        result = (result << 1) ^ (result >> 63 ? 0x1bu : 0u);
        result ^= b >> i & 1 ? a : 0;
    }
    return result;
}

static void all_multiplications_agree(void **state)
{
    static const uint64_t corners[] = { 0, 1, 2, 0x1b, 1ull << 63, UINT64_MAX, 0xf000000000000000 };
    gf64_multiply best = gf64_best()->multiply, portable = gf64_portable.multiply;
    uint64_t seed = 3;

    for (size_t i = 0; i < ARRAY_SIZE(corners); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(corners); k++) {
            uint64_t expected = mul_by_definition(corners[i], corners[k]);

            assert_true(portable(corners[i], corners[k]) == expected);
            assert_true(best(corners[i], corners[k]) == expected);
        }
    }
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t a = test_random(&seed), b = test_random(&seed), expected = mul_by_definition(a, b);

        assert_true(portable(a, b) == expected);
        assert_true(best(a, b) == expected);
    }
}

static void inverses_are_inverses(void **state)
{
    uint64_t seed = 4;

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t a = test_random(&seed) | 1;

        assert_true(mul_by_definition(a, gf64_inverse(gf64_portable.multiply, a)) == 1);
        assert_true(mul_by_definition(a, gf64_inverse(gf64_best()->multiply, a)) == 1);
    }
}

static void powers_are_repeated_products(void **state)
{
    uint64_t seed = 5, x = test_random(&seed), product = 1;

    for (unsigned exponent = 0; exponent < 300; exponent++) {
        assert_true(gf64_power(gf64_portable.multiply, x, exponent) == product);
        assert_true(gf64_power(gf64_best()->multiply, x, exponent) == product);
        product = mul_by_definition(product, x);
    }
}

/* Every number of numbers, so that lanes are full, empty and in between; every range of sums. */
static void power_sums_agree(void **state)
{
    uint64_t numbers[19], seed = 6;

    for (size_t count = 0; count <= ARRAY_SIZE(numbers); count++) {
        unsigned first = (unsigned)(test_random(&seed) % 70),
                 end = first + 1 + (unsigned)count % 5 * 7;
        uint64_t portable[40] = { 0 }, best[40] = { 0 };

        for (size_t i = 0; i < count; i++)
            numbers[i] = i % 6 == 5 ? 0 : test_random(&seed);
        gf64_portable.power_sums(portable, first, end, numbers, count);
        gf64_best()->power_sums(best, first, end, numbers, count);
        assert_memory_equal(portable, best, sizeof(best));
        for (size_t i = 0; i < count; i++) {
            for (unsigned k = first; k < end; k++)
                best[k - first] ^= gf64_power(mul_by_definition, numbers[i], 2 * k + 1);
        }
        for (size_t k = 0; k < ARRAY_SIZE(best); k++)
            assert_true(best[k] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_multiplications_agree),
        cmocka_unit_test(inverses_are_inverses),
        cmocka_unit_test(powers_are_repeated_products),
        cmocka_unit_test(power_sums_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
