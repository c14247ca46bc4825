#include "org/hlc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/rng.h"

static void test_issue(void **state)
{
    struct hlc h;
    uint64_t stamp;

    hlc_init(&h, 0);
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 1);
    assert_true(stamp == hlc_stamp_make(1000, 0));
    assert_true(h.ceiling == hlc_stamp_make(6000, 0));
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 0);
    assert_true(stamp == hlc_stamp_make(1000, 1));
    assert_int_equal(hlc_issue(&h, 900, &stamp), 0); /* the wall clock went back */
    assert_true(stamp == hlc_stamp_make(1000, 2));
    assert_true(hlc_stamp_ms(stamp) == 1000);
    assert_int_equal(hlc_issue(&h, 5999, &stamp), 0);
    assert_int_equal(hlc_issue(&h, 6000, &stamp), 1); /* not below the ceiling */
    assert_true(h.ceiling == hlc_stamp_make(11000, 0));
}

/* Found by the simulator: after a write that failed, stamps were issued below a ceiling that no
 * disk had. */
static void test_failed_write_is_asked_for_again(void **state)
{
    struct hlc h;
    uint64_t stamp, written = 0;

    hlc_init(&h, written);
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 1);
    hlc_write_failed(&h, written);
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 1);
    assert_true(stamp == hlc_stamp_make(1000, 1) && h.ceiling == hlc_stamp_make(6000, 0));
    written = h.ceiling;
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 0);
    assert_int_equal(hlc_issue(&h, 6000, &stamp), 1);
    hlc_write_failed(&h, written);
    assert_true(h.ceiling == written && h.last == stamp);
}

static void test_full_counter_carries(void **state)
{
    struct hlc h;
    uint64_t stamp;

    hlc_init(&h, 0);
    h.last = hlc_stamp_make(1000, 0xffff);
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 1);
    assert_true(stamp == hlc_stamp_make(1001, 0));
}

static void test_end_of_range(void **state)
{
    struct hlc h;
    uint64_t stamp = 7;

    hlc_init(&h, 0);
    assert_int_equal(hlc_issue(&h, HLC_MS_MAX + 1, &stamp), -ERANGE);
    assert_true(stamp == 7 && h.last == 0);
    assert_int_equal(hlc_issue(&h, HLC_MS_MAX, &stamp), 1);
    assert_true(h.ceiling == UINT64_MAX);
    h.last = UINT64_MAX;
    assert_int_equal(hlc_issue(&h, 1, &stamp), -ERANGE);
}

static void test_accept_moves_the_clock(void **state)
{
    struct hlc h;
    uint64_t stamp, dropped;

    hlc_init(&h, 0);
    assert_int_equal(hlc_accept(&h, 1000, hlc_stamp_make(61000, 9), 1, &dropped), 0);
    assert_int_equal(hlc_issue(&h, 1000, &stamp), 1);
    assert_true(stamp == hlc_stamp_make(61000, 10));
    assert_int_equal(hlc_accept(&h, 1000, hlc_stamp_make(2, 0), 1, &dropped), 0);
    assert_true(h.last == stamp);
}

static void test_far_ahead_is_deferred(void **state)
{
    struct hlc h;
    uint64_t handle = 0, dropped, ahead = hlc_stamp_make(61001, 0);

    hlc_init(&h, 0);
    assert_int_equal(hlc_accept(&h, 1000, ahead, 5, &dropped), 1);
    assert_true(h.last == 0); /* it did not move the clock */
    assert_false(hlc_take_due(&h, 1000, &handle));
    assert_true(hlc_take_due(&h, 1001, &handle));
    assert_true(handle == 5 && h.last == ahead);
    assert_false(hlc_take_due(&h, 1001, &handle));
}

static void test_full_queue_drops_the_newest(void **state)
{
    struct hlc h;
    uint64_t handle = 0, dropped = 0;

    hlc_init(&h, 0);
    for (uint64_t i = 0; i < HLC_DEFERRED_MAX; i++)
        assert_int_equal(hlc_accept(&h, 0, hlc_stamp_make(100000 + i, 0), i, &dropped), 1);
    assert_int_equal(hlc_accept(&h, 0, hlc_stamp_make(200000, 0), 777, &dropped), -ENOSPC);
    assert_true(dropped == 777);
    assert_int_equal(hlc_accept(&h, 0, hlc_stamp_make(99999, 0), 888, &dropped), -ENOSPC);
    assert_true(dropped == HLC_DEFERRED_MAX - 1);
    assert_true(hlc_take_due(&h, 1000000, &handle));
    assert_true(handle == 888);
    for (uint64_t i = 0; i < HLC_DEFERRED_MAX - 1; i++) {
        assert_true(hlc_take_due(&h, 1000000, &handle));
        assert_true(handle == i);
    }
    assert_false(hlc_take_due(&h, 1000000, &handle));
}

/* Crashes lose everything but the written ceiling; stamps go up all the same. */
static void test_stamps_rise_across_restarts(void **state)
{
    uint64_t highest = 0, written = 0, wall = 1000000;
    struct hlc h;
    struct rng r;

    rng_seed(&r, 42);
    hlc_init(&h, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t stamp, dropped;
        int result;

        wall += rng_below(&r, 2000);
        wall -= rng_below(&r, 1900); /* it jumps to and fro */
        if (rng_chance(&r, 200000)) {
            uint64_t other = hlc_stamp_make(wall + rng_below(&r, HLC_AHEAD_MAX_MS), 3);

            assert_int_equal(hlc_accept(&h, wall, other, 0, &dropped), 0);
        }
        if (rng_chance(&r, 10000))
            hlc_init(&h, written);
        result = hlc_issue(&h, wall, &stamp);
        assert_true(result >= 0);
        if (result == 1)
            written = h.ceiling;
        assert_true(stamp < written);
        assert_true(stamp > highest);
        highest = stamp;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issue),
        cmocka_unit_test(test_failed_write_is_asked_for_again),
        cmocka_unit_test(test_full_counter_carries),
        cmocka_unit_test(test_end_of_range),
        cmocka_unit_test(test_accept_moves_the_clock),
        cmocka_unit_test(test_far_ahead_is_deferred),
        cmocka_unit_test(test_full_queue_drops_the_newest),
        cmocka_unit_test(test_stamps_rise_across_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
