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
    gf64_multiply best = gf64_best();
    uint64_t seed = 3;

    for (size_t i = 0; i < ARRAY_SIZE(corners); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(corners); k++) {
            uint64_t expected = mul_by_definition(corners[i], corners[k]);

            assert_true(gf64_mul_portable(corners[i], corners[k]) == expected);
            assert_true(best(corners[i], corners[k]) == expected);
        }
    }
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t a = test_random(&seed), b = test_random(&seed), expected = mul_by_definition(a, b);

        assert_true(gf64_mul_portable(a, b) == expected);
        assert_true(best(a, b) == expected);
    }
}

static void inverses_are_inverses(void **state)
{
    uint64_t seed = 4;

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t a = test_random(&seed) | 1;

        assert_true(gf64_mul_portable(a, gf64_inverse(gf64_mul_portable, a)) == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_multiplications_agree),
        cmocka_unit_test(inverses_are_inverses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
