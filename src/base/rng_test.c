#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Traces of simulations depend on this sequence: a change here makes every noted seed worthless. */
static void test_sequence_is_fixed(void **state)
{
    struct rng r = { .s = { 1, 2, 3, 4 } };

    /* The generator's published first outputs for the state 1, 2, 3, 4. */
    assert_true(rng_next(&r) == 11520);
    assert_true(rng_next(&r) == 0);
    assert_true(rng_next(&r) == 1509978240);
    assert_true(rng_next(&r) == 1215971899390074240);
    assert_true(rng_mix(0) == 0xe220a8397b1dcdaf);
}

static void test_same_seed_same_numbers(void **state)
{
    struct rng a, b, c;
    unsigned int same = 0;

    rng_seed(&a, 7);
    rng_seed(&b, 7);
    rng_seed(&c, 8);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = rng_next(&a);

        assert_true(value == rng_next(&b));
        same += value == rng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void test_below_is_even(void **state)
{
    unsigned int seen[7] = { 0 };
    struct rng r;

    rng_seed(&r, 1);
    for (int i = 0; i < 70000; i++) {
        uint64_t value = rng_below(&r, 7);

        assert_true(value < 7);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_true(rng_below(&r, 1) == 0);
}

static void test_chance(void **state)
{
    unsigned int hits = 0;
    struct rng r;

    rng_seed(&r, 3);
    for (int i = 0; i < 100000; i++)
        hits += rng_chance(&r, 100000);
    assert_in_range(hits, 9500, 10500);
    assert_false(rng_chance(&r, 0));
    assert_true(rng_chance(&r, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence_is_fixed),
        cmocka_unit_test(test_same_seed_same_numbers),
        cmocka_unit_test(test_below_is_even),
        cmocka_unit_test(test_chance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
