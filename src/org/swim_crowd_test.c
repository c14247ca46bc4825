/* Helpers that take over, inquiries that come to nothing, and news in two parts. */
#include "org/swim_test.h"

static struct wire_frame call_about(uint64_t subject)
{
    struct wire_frame f = { .kind = WIRE_CALL };

    f.call = (struct wire_call){ subject, 7, 550, 0 };
    return f;
}

/* The core is helping, has sent its probes for nothing, and has reported. */
static struct bench *bench_new_helped(uint16_t nodes)
{
    struct wire_frame f = call_about(103);
    struct bench *b = bench_new(nodes, 0);

    run_org(b, nodes, ROSTER_NONE, 10);
    give(b, 1, &f);
    assert_true(run_until(b, b->now_ns + 500 * NS_PER_MS, 1, WIRE_REPORT, &f));
    assert_int_equal(f.report.unanswered, 3);
    return b;
}

static void test_helper_takes_over(void **state)
{
    struct bench *b = bench_new_helped(5);
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    uint64_t reported_ns = b->now_ns;

    assert_true(run_until(b, b->now_ns + 2 * NS_PER_S, 2, WIRE_CALL, &call));
    assert_in_range(b->now_ns - reported_ns, 350 * NS_PER_MS, 700 * NS_PER_MS);
    assert_true(call.call.subject == 103);
    /* It gets two more chances. */
    assert_true(run_until(b, b->now_ns + 5 * NS_PER_MS, 3, WIRE_PROBE, NULL));
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_TAKEN_OVER), 1);
    f.report = (struct wire_report){ 103, call.call.number, 4 };
    give(b, 1, &f);
    give(b, 2, &f);
    give(b, 4, &f);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    assert_true(run_until(b, b->now_ns + 150 * NS_PER_MS, 3, WIRE_PROBE, NULL));
    run_until(b, b->now_ns + 150 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNREACHABLE);
    bench_free(b);
}

static void test_verdict_or_answer_spares_the_take_over(void **state)
{
    struct wire_frame f = unreachable(103, 0), answer = { .kind = WIRE_ANSWER };
    struct bench *b = bench_new_helped(5);

    give(b, 1, &f);
    run_until(b, b->now_ns + 2 * NS_PER_S, 2, WIRE_CALL, NULL);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_TAKEN_OVER), 0);
    bench_free(b);
    b = bench_new_helped(5);
    give(b, 3, &answer);
    run_until(b, b->now_ns + NS_PER_S, 2, WIRE_CALL, NULL);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_TAKEN_OVER), 0);
    bench_free(b);
}

/* A called observer that is waiting already says what it has, and asks once more. */
static void test_second_call_is_answered_at_once(void **state)
{
    struct wire_frame f = call_about(103), report;
    struct bench *b = bench_new_helped(5);

    timer(b, b->now_ns + 140 * NS_PER_MS);
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_REPORT, &report), 1);
    assert_int_equal(report.report.unanswered, 4);
    assert_int_equal(sent(b, 3, WIRE_PROBE, NULL), 1);
    bench_free(b);
}

/* Others are heard, but nobody reports: asked again after 1, 2, 4 ... seconds. */
static void test_nothing_found_is_asked_again_less_often(void **state)
{
    struct wire_frame call;
    struct bench *b = open_inquiry(12, 3, &call);
    struct edge *e = edge_find(b->core, 3);
    uint64_t last_ns = 0;

    for (uint64_t expected_ns = NS_PER_S; expected_ns <= 4 * NS_PER_S; expected_ns *= 2) {
        uint64_t found = swim_counter(b->core, SWIM_COUNT_INCONCLUSIVE);

        while (swim_counter(b->core, SWIM_COUNT_INCONCLUSIVE) == found) {
            give_beat(b, 2, 0, (uint8_t)(b->now_ns / NS_PER_S));
            timer(b, b->out.deadline_ns);
            assert_true(b->now_ns < 1060 * NS_PER_S);
        }
        assert_true(e->hold_ns == b->now_ns + expected_ns || e->due_ns > b->now_ns);
        assert_true(b->now_ns > last_ns);
        last_ns = b->now_ns;
    }
    assert_int_equal(e->retries, 3);
    give_beat(b, 3, 0, 110);
    assert_int_equal(e->retries, 0);
    bench_free(b);
}

static size_t count_told(const struct bench *b)
{
    return sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
}

/* News go to five neighbours, then to those of the others who have not told us meanwhile. */
static void test_news_go_in_two_parts(void **state)
{
    struct wire_frame f = unreachable(103, 0);
    struct bench *b = bench_new(11, 0);
    uint64_t start_ns;
    uint16_t told = 0;

    run_org(b, 11, ROSTER_NONE, 10);
    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    start_ns = b->now_ns;
    assert_true(run_until(b, b->now_ns + 50 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(count_told(b), 5);
    for (uint16_t i = 2; i < 11 && told < 2; i++) {
        if (i != 3 && sent(b, i, WIRE_UNREACHABLE, NULL) == 0) {
            told++;
            give(b, i, &f);
        }
    }
    assert_true(run_until(b, b->now_ns + NS_PER_S, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_in_range(b->now_ns - start_ns, 90 * NS_PER_MS, 700 * NS_PER_MS);
    assert_int_equal(count_told(b), 1); /* of eight: five, and two knew */
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helper_takes_over),
        cmocka_unit_test(test_verdict_or_answer_spares_the_take_over),
        cmocka_unit_test(test_second_call_is_answered_at_once),
        cmocka_unit_test(test_nothing_found_is_asked_again_less_often),
        cmocka_unit_test(test_news_go_in_two_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
