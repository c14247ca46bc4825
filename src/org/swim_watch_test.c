/* Beats and edges. */
#include "org/swim_test.h"

static void test_beats_go_round(void **state)
{
    struct bench *b = bench_new(5, 0);
    unsigned int beats[5] = { 0 };
    uint64_t start_ns = b->now_ns;
    struct wire_frame f;

    while (b->now_ns < start_ns + 38 * NS_PER_S) {
        timer(b, b->out.deadline_ns);
        for (uint16_t i = 0; i < 5; i++) {
            if (sent(b, i, WIRE_BEAT, &f) > 0) {
                beats[i]++;
                assert_int_equal(f.beat.turn, 4);
                assert_int_equal(f.beat.incarnation, 0);
            }
        }
        for (uint16_t i = 1; i < 5; i++)
            give_beat(b, i, 0, (uint8_t)(b->now_ns / NS_PER_S));
    }
    assert_int_equal(beats[SELF], 0);
    for (uint16_t i = 1; i < 5; i++)
        assert_in_range(beats[i], 10, 11); /* every 0.95 s, four in turn */
    bench_free(b);
}

/* A timer that comes a little late moves no later beat: observers were promised their times. */
static void test_beats_keep_their_schedule(void **state)
{
    struct bench *b = bench_new(5, 0);
    uint64_t first_ns = 0, last_ns = 0;
    unsigned int beats = 0;

    while (beats < 20) {
        timer(b, b->out.deadline_ns + 40 * NS_PER_MS);
        if (sent(b, ROSTER_NONE, WIRE_BEAT, NULL) > 0) {
            last_ns = b->now_ns;
            first_ns = beats == 0 ? last_ns : first_ns;
            beats++;
        }
        for (uint16_t i = 1; i < 5; i++)
            give_beat(b, i, 0, (uint8_t)(b->now_ns / NS_PER_S));
    }
    assert_in_range(last_ns - first_ns, 19 * 950 * NS_PER_MS - 50 * NS_PER_MS,
                    19 * 950 * NS_PER_MS + 50 * NS_PER_MS);
    bench_free(b);
}

/* A beat that was overtaken on its way says nothing about the next one. */
static void test_overtaken_beat(void **state)
{
    struct bench *b = bench_new(4, 0);

    run_org(b, 4, ROSTER_NONE, 10);
    give_beat_turn(b, 3, 0, 100, 10);
    give_beat_turn(b, 3, 0, 99, 1);
    assert_false(run_until(b, b->now_ns + 2 * NS_PER_S, 3, WIRE_PROBE, NULL));
    give_beat_turn(b, 3, 0, 101, 1);
    assert_true(run_until(b, b->now_ns + 2 * NS_PER_S, 3, WIRE_PROBE, NULL));
    bench_free(b);
}

/* A subject that says that it runs late is given 25 ms more for each step. */
static void test_poor_health_is_given_time(void **state)
{
    for (uint8_t health = 0; health <= 4; health += 4) {
        struct bench *b = bench_new(4, 0);
        struct wire_frame f = { .kind = WIRE_BEAT };
        uint64_t due_ns;

        run_org(b, 4, ROSTER_NONE, 10);
        f.beat = (struct wire_beat){ 1, health, 0, 100, digest_short(b->core->digest, 100), 0 };
        give(b, 3, &f);
        due_ns = b->now_ns + 950 * NS_PER_MS;
        assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, 1, WIRE_CALL, NULL));
        assert_in_range(b->now_ns - due_ns, (150 + health * 25u) * NS_PER_MS,
                        (160 + health * 25u) * NS_PER_MS);
        bench_free(b);
    }
}

/* What fell due while we slept may wait in the socket: the grace begins anew when we wake. */
static void test_a_pause_is_forgiven(void **state)
{
    struct bench *b = bench_new(4, 0);
    uint64_t woke_ns;

    run_org(b, 4, ROSTER_NONE, 10);
    timer(b, b->now_ns + 20 * NS_PER_S);
    woke_ns = b->now_ns;
    assert_int_equal(sent(b, ROSTER_NONE, WIRE_PROBE, NULL), 0);
    assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 0);
    assert_true(run_until(b, woke_ns + NS_PER_S, ROSTER_NONE, WIRE_PROBE, NULL));
    assert_true(b->now_ns - woke_ns >= 49 * NS_PER_MS);
    bench_free(b);
}

/* Two probes of our own, after a third and two thirds of the grace. */
static void test_early_probes_keep_their_times(void **state)
{
    struct bench *b = bench_new(4, 0);
    uint64_t due_ns;

    run_org(b, 4, ROSTER_NONE, 10);
    give_beat_turn(b, 3, 0, 100, 1);
    due_ns = b->now_ns + 950 * NS_PER_MS;
    for (unsigned int i = 1; i <= 2; i++) {
        assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, 3, WIRE_PROBE, NULL));
        assert_in_range(b->now_ns - due_ns, i * 50 * NS_PER_MS, (i * 50 + 2) * NS_PER_MS);
        assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 0);
    }
    bench_free(b);
}

/* Whoever was heard after its beat was due is not probed; the next beat is due a turn later. */
static void test_heard_by_other_means(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame f = { .kind = WIRE_PROBE };
    struct edge *e = edge_find(b->core, 3);
    uint64_t due_ns;

    run_org(b, 4, ROSTER_NONE, 10);
    give_beat_turn(b, 3, 0, 100, 2);
    due_ns = b->now_ns + 1900 * NS_PER_MS;
    assert_true(e->due_ns == due_ns);
    while (b->out.deadline_ns <= due_ns + 10 * NS_PER_MS)
        timer(b, b->out.deadline_ns);
    b->now_ns = due_ns + 10 * NS_PER_MS;
    give(b, 3, &f);
    assert_false(run_until(b, due_ns + 200 * NS_PER_MS, 3, WIRE_PROBE, NULL));
    assert_true(e->due_ns == due_ns + 1900 * NS_PER_MS);
    bench_free(b);
}

/* A gap of an unstable subject is told to it, so that its quiet spell begins anew. */
static void test_gap_is_told(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame f = proved(103, 1, WIRE_STANDING_UNSTABLE), probe = { .kind = WIRE_PROBE };

    run_org(b, 4, ROSTER_NONE, 10);
    give(b, 1, &f);
    give_beat_turn(b, 3, 1, 100, 1);
    do
        assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, 3, WIRE_PROBE, &probe));
    while (probe.probe.standing != WIRE_STANDING_UNSTABLE);
    assert_int_equal(probe.probe.incarnation, 1);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_GAP_PROBES), 1);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_INQUIRIES), 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats_go_round),
        cmocka_unit_test(test_beats_keep_their_schedule),
        cmocka_unit_test(test_overtaken_beat),
        cmocka_unit_test(test_poor_health_is_given_time),
        cmocka_unit_test(test_a_pause_is_forgiven),
        cmocka_unit_test(test_early_probes_keep_their_times),
        cmocka_unit_test(test_heard_by_other_means),
        cmocka_unit_test(test_gap_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
