/* Our own standing: refuting, coming back, and the quiet spell. */
#include "org/swim_test.h"

static void test_we_refute(void **state)
{
    struct bench *b = bench_new(6, 7);
    struct wire_frame f = unreachable(100, 7), told;

    give(b, 1, &f);
    assert_true(b->out.persist);
    assert_int_equal(b->out.incarnation, 8);
    assert_true(run_until(b, b->now_ns + NS_PER_S, 2, WIRE_SIGNED, &told));
    assert_int_equal(told.proved.incarnation, 8);
    assert_int_equal(sent(b, ROSTER_NONE, WIRE_SIGNED, NULL), 5); /* all neighbours at once */
    assert_int_equal(told.proved.standing, WIRE_STANDING_ALIVE);
    f = unreachable(100, 8);
    give(b, 1, &f); /* again within a second: silence */
    assert_int_equal(swim_incarnation(b->core, SELF), 8);
    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 9);
    f = unreachable(100, 9 + SWIM_AHEAD_MAX + 1);
    b->now_ns += 2 * NS_PER_S;
    give(b, 1, &f); /* too far ahead to be ours */
    assert_int_equal(swim_incarnation(b->core, SELF), 9);
    f = unreachable(100, 3);
    give(b, 1, &f); /* refuted long ago */
    assert_int_equal(swim_incarnation(b->core, SELF), 9);
    bench_free(b);
}

static void test_how_far_ahead_we_believe(void **state)
{
    struct bench *b = bench_new(6, 7);
    struct wire_frame f = unreachable(100, 7 + SWIM_AHEAD_MAX);

    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 7 + SWIM_AHEAD_MAX + 1);
    bench_free(b);
}

/* After a restart without our last writes, our own signature brings us back to where we were. */
static void test_former_self(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = proved(100, 40, WIRE_STANDING_UNREACHABLE);

    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 41);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_ALIVE);
    assert_true(b->out.persist);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_FORMER_SELF), 1);
    bench_free(b);
}

/* Our own former signature is as good as a new one. */
static void test_former_self_keeps_the_proof(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = proved(100, 40, WIRE_STANDING_ALIVE), told;

    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 40);
    memset(&f, 0, sizeof(f));
    f.kind = WIRE_PROBE;
    f.probe.incarnation = 39;
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, &told), 1);
    assert_int_equal(told.proved.incarnation, 40);
    bench_free(b);
}

static void test_probe_is_answered(void **state)
{
    struct bench *b = bench_new(4, 3);
    struct wire_frame f = { .kind = WIRE_PROBE }, answer;

    f.probe.standing = WIRE_STANDING_ALIVE;
    f.probe.incarnation = 3;
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_ANSWER, &answer), 1);
    assert_int_equal(answer.answer.incarnation, 3);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, NULL), 0);
    f.probe.incarnation = 2; /* it does not know yet */
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, NULL), 1);
    bench_free(b);
}

/* A node that refuted three verdicts and is called unstable at incarnation 4. */
static struct bench *bench_new_unstable(void)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame f = { .kind = WIRE_UNSTABLE };

    f.unstable.subject = 100;
    give(b, 1, &f); /* never refuted anything: a lie */
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_ALIVE);
    assert_int_equal(swim_incarnation(b->core, SELF), 1);
    for (uint32_t i = 1; i <= 3; i++) {
        b->now_ns += 2 * NS_PER_S;
        f = unreachable(100, i);
        give(b, 1, &f);
    }
    f.kind = WIRE_UNSTABLE;
    f.unstable = (struct wire_unstable){ 100, 4 };
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_UNSTABLE);
    return b;
}

/* Unstable only after three refutations; the refused claim is itself the third. */
static void test_two_refutations_are_not_enough(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f;

    for (uint32_t i = 0; i < 2; i++) {
        b->now_ns += 2 * NS_PER_S;
        f = unreachable(100, i);
        give(b, 1, &f);
    }
    memset(&f, 0, sizeof(f));
    f.kind = WIRE_UNSTABLE;
    f.unstable = (struct wire_unstable){ 100, 2 };
    b->now_ns += 2 * NS_PER_S;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_ALIVE);
    assert_int_equal(swim_incarnation(b->core, SELF), 3);
    f.unstable.incarnation = 3;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_UNSTABLE);
    bench_free(b);
}

static void check_spell_ends(struct bench *b, uint64_t end_ns)
{
    while (b->out.deadline_ns < end_ns)
        timer(b, b->out.deadline_ns);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_UNSTABLE);
    timer(b, end_ns);
    assert_int_equal(swim_standing(b->core, SELF), WIRE_STANDING_ALIVE);
    assert_int_equal(swim_incarnation(b->core, SELF), 5);
}

static void test_own_unstable_spell(void **state)
{
    struct bench *b = bench_new_unstable();

    check_spell_ends(b, b->now_ns + 120 * NS_PER_S);
    bench_free(b);
}

/* The spell starts anew when an observer missed us, and not when one merely asks. */
static void test_gap_starts_the_spell_anew(void **state)
{
    static const enum wire_standing standings[] = { WIRE_STANDING_ALIVE, WIRE_STANDING_UNSTABLE };

    for (size_t i = 0; i < ARRAY_SIZE(standings); i++) {
        struct bench *b = bench_new_unstable();
        struct wire_frame f = { .kind = WIRE_PROBE };
        uint64_t start_ns = b->now_ns;

        while (b->out.deadline_ns < start_ns + 60 * NS_PER_S)
            timer(b, b->out.deadline_ns);
        b->now_ns = start_ns + 60 * NS_PER_S;
        f.probe.standing = standings[i];
        f.probe.incarnation = 4;
        give(b, 1, &f);
        check_spell_ends(b, start_ns + (i == 0 ? 120 : 180) * NS_PER_S);
        bench_free(b);
    }
}

/* The health in the first beat of ours at or after this time; everybody else beats meanwhile. */
static uint8_t health_told(struct bench *b, uint16_t nodes, uint64_t at_ns)
{
    struct wire_frame f;

    for (uint8_t number = 0;; number++) {
        timer(b, b->out.deadline_ns);
        if (b->now_ns >= at_ns && sent(b, ROSTER_NONE, WIRE_BEAT, &f) > 0)
            return f.beat.health;
        for (uint16_t i = 1; i < nodes; i++)
            give_beat(b, i, 0, number);
    }
}

/* Others learn from our beats how late our loop runs, and that it passes. */
static void test_own_health_is_told(void **state)
{
    struct bench *b = bench_new(4, 0);
    uint64_t late_ns;

    assert_int_equal(health_told(b, 4, 0), 0);
    timer(b, b->out.deadline_ns + 200 * NS_PER_MS);
    late_ns = b->now_ns;
    assert_int_equal(health_told(b, 4, late_ns), 3);
    assert_int_equal(health_told(b, 4, late_ns + 11 * NS_PER_S), 2);
    assert_int_equal(health_told(b, 4, late_ns + 31 * NS_PER_S), 0);
    bench_free(b);
}

/* Our own pause is a gap as well, though nobody may have noticed. */
static void test_own_pause_starts_the_spell_anew(void **state)
{
    struct bench *b = bench_new_unstable();
    uint64_t start_ns = b->now_ns, late_ns;

    while (b->out.deadline_ns < start_ns + 60 * NS_PER_S)
        timer(b, b->out.deadline_ns);
    late_ns = b->out.deadline_ns + 150 * NS_PER_MS;
    timer(b, late_ns);
    check_spell_ends(b, late_ns + 120 * NS_PER_S);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_we_refute),
        cmocka_unit_test(test_how_far_ahead_we_believe),
        cmocka_unit_test(test_former_self),
        cmocka_unit_test(test_former_self_keeps_the_proof),
        cmocka_unit_test(test_probe_is_answered),
        cmocka_unit_test(test_two_refutations_are_not_enough),
        cmocka_unit_test(test_own_unstable_spell),
        cmocka_unit_test(test_gap_starts_the_spell_anew),
        cmocka_unit_test(test_own_health_is_told),
        cmocka_unit_test(test_own_pause_starts_the_spell_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
