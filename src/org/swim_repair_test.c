/* What news missed: views compared, and members that come back. */
#include "org/swim_test.h"

/* Whoever lost its disk's last write hears from us where it was. */
static void test_beat_below_is_told(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame f = proved(103, 2, WIRE_STANDING_ALIVE);

    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    give_beat(b, 3, 2, 1);
    assert_int_equal(sent(b, 3, WIRE_PROBE, NULL), 0);
    give_beat(b, 3, 1, 2);
    assert_int_equal(sent(b, 3, WIRE_PROBE, &f), 1);
    assert_int_equal(f.probe.incarnation, 2);
    assert_int_equal(sent(b, 3, WIRE_SIGNED, &f), 1); /* in its own words */
    bench_free(b);
}

static void test_views_are_compared(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = unreachable(105, 0), ask = { .kind = WIRE_SUMMARY }, held;

    ask.summary.asks = true;
    give(b, 1, &ask);
    assert_int_equal(sent(b, 1, WIRE_SUMMARY, &held), 1); /* it asked for ours */
    assert_false(held.summary.asks);
    assert_int_equal(sent(b, 1, WIRE_HELD, NULL), 0); /* equal: nothing to say */
    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    ask.summary.asks = false;
    give(b, 2, &ask);
    assert_int_equal(sent(b, 2, WIRE_SUMMARY, NULL), 0);
    assert_int_equal(sent(b, 2, WIRE_HELD, &held), 1);
    assert_true(held.held.subject == 105);
    assert_int_equal(sent(b, 2, WIRE_UNREACHABLE, NULL), 0); /* its neighbours tell it the news */
    assert_int_equal(held.held.standing, WIRE_STANDING_UNREACHABLE);
    bench_free(b);
}

static void test_differing_beat_asks(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = { .kind = WIRE_BEAT };

    b->now_ns += 4 * NS_PER_S;
    f.beat = (struct wire_beat){ 5, 0, 0, 9, (uint8_t)(digest_short(0, 9) + 1), 0 };
    give(b, 1, &f);
    assert_int_equal(sent(b, 1, WIRE_SUMMARY, NULL), 1);
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_SUMMARY, NULL), 0); /* not again at once */
    bench_free(b);
}

/* What a neighbour holds unreachable is believed when its subject is silent to us as well. */
static void test_held_verdict_is_checked(void **state)
{
    for (int answers = 0; answers < 2; answers++) {
        struct bench *b = bench_new(5, 0);
        struct wire_frame f = { .kind = WIRE_HELD }, probe, answer = { .kind = WIRE_ANSWER };

        f.held.subject = 103;
        f.held.standing = WIRE_STANDING_UNREACHABLE;
        b->now_ns += NS_PER_S;
        give(b, 1, &f);
        assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
        assert_int_equal(sent(b, 3, WIRE_PROBE, &probe), 1);
        assert_int_equal(probe.probe.standing, WIRE_STANDING_UNREACHABLE);
        if (answers)
            give(b, 3, &answer);
        run_until(b, b->now_ns + 700 * NS_PER_MS, ROSTER_NONE, WIRE_SUMMARY, NULL);
        assert_int_equal(swim_standing(b->core, 3),
                         answers ? WIRE_STANDING_ALIVE : WIRE_STANDING_UNREACHABLE);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_CHECKS_SILENT), !answers);
        bench_free(b);
    }
}

/* Who holds less than we do is told what we hold; who holds the same is not. */
static void test_held_below_is_corrected(void **state)
{
    struct bench *b = bench_new(5, 0);
    struct wire_frame f = { .kind = WIRE_HELD }, word = proved(103, 2, WIRE_STANDING_ALIVE);

    give(b, 1, &word);
    f.held = (struct wire_held){ 103, 1, WIRE_STANDING_UNREACHABLE };
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, NULL), 1);
    f.held = (struct wire_held){ 103, 2, WIRE_STANDING_ALIVE };
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, NULL), 0);
    bench_free(b);
}

/* What does not fit in one packet comes in the next. */
static void test_long_view_is_told_whole(void **state)
{
    struct bench *b = bench_new(30, 0);
    struct wire_frame ask = { .kind = WIRE_SUMMARY };

    for (uint16_t i = 1; i < 30; i++) {
        struct wire_frame f = proved(100u + i, 1, WIRE_STANDING_ALIVE);

        give(b, i == 1 ? 2 : 1, &f);
    }
    b->now_ns += 2 * NS_PER_S;
    give(b, 1, &ask);
    assert_int_equal(sent(b, 1, WIRE_SIGNED, NULL), 16); /* as many proofs are kept */
    assert_int_equal(sent(b, 1, WIRE_HELD, NULL), 13);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beat_below_is_told),
        cmocka_unit_test(test_views_are_compared),
        cmocka_unit_test(test_differing_beat_asks),
        cmocka_unit_test(test_held_verdict_is_checked),
        cmocka_unit_test(test_held_below_is_corrected),
        cmocka_unit_test(test_long_view_is_told_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
