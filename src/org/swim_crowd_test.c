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

    inquiry_find(b->core, 3)->report_count =
        1; /* from when it was ours, before it was vouched for */
    assert_true(run_until(b, b->now_ns + 2 * NS_PER_S, 2, WIRE_CALL, &call));
    assert_in_range(b->now_ns - reported_ns, 350 * NS_PER_MS, 700 * NS_PER_MS);
    assert_true(call.call.subject == 103);
    assert_int_equal(inquiry_find(b->core, 3)->report_count, 0);
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

/* Six are called at once, the other three with our second probe, and not when an answer came. */
static void test_six_are_called_first(void **state)
{
    for (int answered = 0; answered < 2; answered++) {
        struct wire_frame f = { .kind = WIRE_ANSWER };
        struct bench *b = bench_new(11, 0);
        uint64_t start_ns;

        run_org(b, 11, ROSTER_NONE, 10);
        give_beat_turn(b, 3, 0, 100, 1);
        assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, ROSTER_NONE, WIRE_CALL, NULL));
        assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 6);
        start_ns = b->now_ns;
        if (answered)
            give(b, 3, &f);
        assert_int_equal(run_until(b, start_ns + 300 * NS_PER_MS, ROSTER_NONE, WIRE_CALL, NULL),
                         !answered);
        if (!answered) {
            assert_in_range(b->now_ns - start_ns, 137 * NS_PER_MS, 138 * NS_PER_MS);
            assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 3);
            assert_false(run_until(b, start_ns + 540 * NS_PER_MS, ROSTER_NONE, WIRE_CALL, NULL));
        }
        bench_free(b);
    }
}

/* Helpers with much to do report late: where many have just gone that still counts, else we have
 * given up by then. */
static void test_late_report_counts_in_a_crowd(void **state)
{
    for (uint16_t gone = 0; gone <= 7; gone += 7) {
        struct wire_frame call, f;
        struct bench *b = bench_new(12, 0);
        uint64_t start_ns;

        run_org(b, 12, ROSTER_NONE, 10);
        b->now_ns += NS_PER_S;
        give_beat_turn(b, 3, 0, 100, 1);
        for (uint16_t i = 0; i < gone; i++) {
            f = unreachable(105u + i, 0);
            give(b, 1, &f);
        }
        assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, ROSTER_NONE, WIRE_CALL, &call));
        start_ns = b->now_ns;
        for (int steps = 0; b->out.deadline_ns < start_ns + 1200 * NS_PER_MS; steps++) {
            timer(b, b->out.deadline_ns);
            give_beat(b, 2, 0, (uint8_t)(b->now_ns / NS_PER_S));
            assert_true(steps < 60); /* nobody waits by looking each millisecond */
        }
        b->now_ns = start_ns + 1200 * NS_PER_MS;
        f = (struct wire_frame){ .kind = WIRE_REPORT };
        f.report = (struct wire_report){ 103, call.call.number, 3 };
        give(b, 1, &f);
        assert_int_equal(swim_standing(b->core, 3),
                         gone > 0 ? WIRE_STANDING_UNREACHABLE : WIRE_STANDING_ALIVE);
        bench_free(b);
    }
}

/* All observers of `subject` but `left` of them are held unreachable. */
static struct bench *bench_new_deserted(uint16_t *ret_subject, unsigned int left)
{
    struct bench *b = bench_new(30, 0);
    const struct roster_member *m;
    uint16_t subject = 1;

    while (edge_find(b->core, subject))
        subject++;
    m = roster_member(b->roster, subject);
    b->now_ns += NS_PER_S;
    for (uint8_t i = (uint8_t)left; i < m->observer_count; i++) {
        struct wire_frame f = unreachable(100u + m->observers[i], 0);

        give(b, subject, &f);
    }
    *ret_subject = subject;
    return b;
}

/* Who has one observer left is probed, by us alone, and told what is held; who has two is not. */
static void test_deserted_member_is_told(void **state)
{
    for (unsigned int left = 1; left <= 2; left++) {
        struct wire_frame f = { .kind = WIRE_ANSWER };
        uint16_t subject;
        struct bench *b = bench_new_deserted(&subject, left);
        bool probed = run_until(b, b->now_ns + 12 * NS_PER_S, subject, WIRE_PROBE, NULL);

        assert_int_equal(probed, left == 1);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_UNOBSERVED) > 0, left == 1);
        if (probed) {
            assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 0);
            give(b, subject, &f);
            assert_true(sent(b, subject, WIRE_UNREACHABLE, NULL) >= 9);
            run_until(b, b->now_ns + 3 * NS_PER_S, ROSTER_NONE, WIRE_KIND_MAX_, NULL);
            assert_in_range(swim_counter(b->core, SWIM_COUNT_UNOBSERVED), 1, 20);
        }
        bench_free(b);
    }
}

/* Four verdicts within a few seconds are a crowd, and a second later they are not. */
static void test_what_is_a_crowd(void **state)
{
    struct bench *b = bench_new(12, 0);

    b->now_ns += NS_PER_S;
    for (uint16_t i = 0; i < 4; i++) {
        struct wire_frame f = unreachable(104u + i, 0);

        assert_false(inquiry_is_crowded(b->core));
        give(b, 1, &f);
    }
    assert_true(inquiry_is_crowded(b->core));
    assert_in_range(b->core->sweep_ns, b->now_ns, b->now_ns + 200 * NS_PER_MS - 1);
    timer(b, b->now_ns + 1100 * NS_PER_MS);
    assert_false(inquiry_is_crowded(b->core));
    bench_free(b);
}

/* Who has one observer left and asks is told the verdicts as news, to be believed at once. */
static void test_deserted_member_asks(void **state)
{
    for (unsigned int left = 1; left <= 2; left++) {
        struct wire_frame f = { .kind = WIRE_SUMMARY };
        uint16_t subject;
        struct bench *b = bench_new_deserted(&subject, left);

        b->now_ns += 2 * NS_PER_S;
        give(b, subject, &f);
        assert_int_equal(sent(b, subject, WIRE_UNREACHABLE, NULL) > 0, left == 1);
        bench_free(b);
    }
}

/* However many went, the crowd is over five seconds later. */
static void test_a_crowd_ends(void **state)
{
    struct bench *b = bench_new(30, 0);

    b->now_ns += NS_PER_S;
    for (uint16_t i = 0; i < 12; i++) {
        struct wire_frame f = unreachable(110u + i, 0);

        give(b, 1, &f);
    }
    timer(b, b->now_ns + 3900 * NS_PER_MS);
    assert_true(inquiry_is_crowded(b->core));
    timer(b, b->now_ns + 1200 * NS_PER_MS);
    assert_false(inquiry_is_crowded(b->core));
    bench_free(b);
}

/* Four are called in a crowd, and no more when it is over a moment later. */
static void test_four_are_called_in_a_crowd(void **state)
{
    struct bench *b = bench_new(12, 0);
    struct wire_frame call;
    uint64_t end_ns;

    run_org(b, 12, ROSTER_NONE, 10);
    b->now_ns += NS_PER_S;
    give_beat_turn(b, 3, 0, 100, 1);
    b->now_ns += 150 * NS_PER_MS;
    for (uint16_t i = 0; i < 4; i++) {
        struct wire_frame f = unreachable(108u + i, 0);

        give(b, 1, &f);
    }
    assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, ROSTER_NONE, WIRE_CALL, &call));
    assert_true(call.call.subject == 103 && sent(b, ROSTER_NONE, WIRE_CALL, NULL) == 4);
    end_ns = b->now_ns + 300 * NS_PER_MS;
    while (run_until(b, end_ns, ROSTER_NONE, WIRE_CALL, &call))
        assert_true(call.call.subject != 103); /* others, whose turn came early */
    bench_free(b);
}

/* Not the same six are called first each time. */
static void test_first_calls_differ(void **state)
{
    struct bench *b = bench_new(30, 0);
    unsigned int seen = 0;

    b->core->out = &b->out;
    for (uint8_t i = 0; i < b->core->edge_count; i++) {
        uint16_t subject = b->core->edges[i].slot;
        struct inquiry *q;

        b->out.send_count = 0;
        b->out.byte_count = 0;
        q = inquiry_start(b->core, subject, PURPOSE_OPEN, 550 * NS_PER_MS);
        assert_non_null(q);
        seen |= 1u << q->first;
        inquiry_close(b->core, subject);
    }
    assert_true((seen & (seen - 1)) != 0);
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
        cmocka_unit_test(test_six_are_called_first),
        cmocka_unit_test(test_late_report_counts_in_a_crowd),
        cmocka_unit_test(test_deserted_member_is_told),
        cmocka_unit_test(test_what_is_a_crowd),
        cmocka_unit_test(test_deserted_member_asks),
        cmocka_unit_test(test_a_crowd_ends),
        cmocka_unit_test(test_four_are_called_in_a_crowd),
        cmocka_unit_test(test_first_calls_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
