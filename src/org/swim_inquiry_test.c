/* Inquiries: who is asked, what ends one, and what makes a verdict. */
#include "org/swim_test.h"

/* Silence: two probes of our own, then a call to the others, four probes, and the verdict when
 * they report silence too. */
static void test_inquiry_and_verdict(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    uint64_t opened_ns;

    run_org(b, 4, ROSTER_NONE, 10);
    give_beat_turn(b, 3, 0, 100, 1); /* its last one; the next is due in 0.95 s */
    opened_ns = b->now_ns + (950 + 150) * NS_PER_MS;
    assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, 1, WIRE_CALL, &call));
    assert_true(b->now_ns >= opened_ns && b->now_ns < opened_ns + 60 * NS_PER_MS);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_EARLY_PROBES), 2);
    assert_true(call.call.subject == 103);
    assert_int_equal(sent(b, 2, WIRE_CALL, NULL), 1);
    assert_int_equal(sent(b, 3, WIRE_CALL, NULL), 0);
    assert_int_equal(sent(b, 3, WIRE_PROBE, NULL), 1);
    f.report = (struct wire_report){ 103, call.call.number, 4 };
    assert_false(run_until(b, b->now_ns + 500 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    give(b, 1, &f);
    give(b, 2, &f);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    run_until(b, b->now_ns + 300 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNREACHABLE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERDICTS_STRONG), 1);
    bench_free(b);
}

static void test_one_answer_ends_it(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_ANSWER };
    struct bench *b = open_inquiry(4, 3, &call);

    give(b, 3, &f);
    assert_false(run_until(b, b->now_ns + 700 * NS_PER_MS, 3, WIRE_PROBE, NULL));
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED), 1);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    bench_free(b);
}

/* "Own slowness is no evidence." */
static void test_late_loop_voids(void **state)
{
    struct wire_frame call;
    struct bench *b = open_inquiry(4, 3, &call);

    timer(b, b->out.deadline_ns + 101 * NS_PER_MS);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VOIDED), 1);
    assert_int_equal(inquiry_find(b->core, 3) != NULL, false);
    bench_free(b);
    b = open_inquiry(4, 3, &call);
    timer(b, b->out.deadline_ns + 99 * NS_PER_MS);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VOIDED), 0);
    assert_non_null(inquiry_find(b->core, 3));
    bench_free(b);
}

/* A packet that waited in the socket shows that we slept, even when no timer did. */
static void test_waiting_packet_voids(void **state)
{
    for (uint64_t waited_ms = 99; waited_ms <= 101; waited_ms += 2) {
        struct wire_frame call, f = { .kind = WIRE_ANSWER };
        struct bench *b = open_inquiry(4, 3, &call);
        uint8_t bytes[16];
        struct wire_writer w = { .bytes = bytes, .capacity = sizeof(bytes) };

        assert_int_equal(wire_put(&w, &f), 0);
        assert_int_equal(feed_late(b, 1, bytes, w.size, waited_ms * NS_PER_MS), 0);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_VOIDED), waited_ms > 100);
        assert_int_equal(inquiry_find(b->core, 3) == NULL, waited_ms > 100);
        bench_free(b);
    }
}

/* One who says "it answered me" is believed once, and then only beside another. */
static void test_single_voucher_is_heard_once(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    struct bench *b = open_inquiry(5, 3, &call);

    f.report = (struct wire_report){ 103, call.call.number, 0 };
    give(b, 1, &f);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED_ELSEWHERE), 1);
    assert_true(run_until(b, b->now_ns + 10 * NS_PER_S, 1, WIRE_CALL, &call));
    while (call.call.subject != 103)
        assert_true(run_until(b, b->now_ns + 10 * NS_PER_S, 1, WIRE_CALL, &call));
    f.report.number = call.call.number;
    give(b, 1, &f);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED_ELSEWHERE), 1);
    give(b, 2, &f);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED_ELSEWHERE), 2);
    bench_free(b);
}

static void test_hearing_clears_the_voucher(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    struct bench *b = open_inquiry(5, 3, &call);

    f.report = (struct wire_report){ 103, call.call.number, 0 };
    give(b, 1, &f);
    assert_int_equal(edge_find(b->core, 3)->voucher, 1);
    give_beat_turn(b, 3, 0, 101, 1);
    assert_int_equal(edge_find(b->core, 3)->voucher, ROSTER_NONE);
    assert_false(edge_find(b->core, 3)->voted);
    bench_free(b);
}

/* One who repeats itself is one voice: five of seven are needed. */
static void test_a_voice_counts_once(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    struct bench *b = open_inquiry(8, 3, &call);

    f.report = (struct wire_report){ 103, call.call.number, 3 };
    for (int i = 0; i < 6; i++)
        give(b, 1, &f);
    assert_false(run_until(b, b->now_ns + 650 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_SECOND_WINDOWS), 1);
    for (uint16_t i = 2; i < 7; i++) {
        if (i != 3)
            give(b, i, &f);
    }
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNREACHABLE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERDICTS_STRONG), 1);
    bench_free(b);
}

/* Six of ten, ourselves among them, at the end of the first window. */
static void test_six_of_ten(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    struct bench *b = open_inquiry(11, 3, &call);

    f.report = (struct wire_report){ 103, call.call.number, 3 };
    for (uint16_t i = 4; i < 8; i++)
        give(b, i, &f);
    inquiry_find(b->core, 3)->reports[4] = 4; /* of a former window: counts no more */
    assert_false(run_until(b, b->now_ns + 650 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    give(b, 8, &f); /* after nine calls our own probes wait for the budget */
    assert_true(run_until(b, b->now_ns + 1500 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERDICTS_STRONG), 1);
    bench_free(b);
}

/* Nobody confirms: the verdict is kept to ourselves. */
static void test_alone_is_not_told(void **state)
{
    struct wire_frame call, f;
    struct bench *b = open_inquiry(5, 3, &call);
    uint64_t until_ns = b->now_ns + 1200 * NS_PER_MS;

    while (b->out.deadline_ns < until_ns) {
        timer(b, b->out.deadline_ns);
        assert_int_equal(sent(b, ROSTER_NONE, WIRE_UNREACHABLE, &f), 0);
    }
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNREACHABLE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERDICTS_ALONE), 1);
    bench_free(b);
}

static void test_helper_probes_and_reports(void **state)
{
    struct bench *b = bench_new(5, 0);
    struct wire_frame f = { .kind = WIRE_CALL }, report;
    uint64_t start_ns;

    f.call = (struct wire_call){ 103, 77, 550, 0 };
    give(b, 2, &f);
    start_ns = b->now_ns;
    assert_int_equal(sent(b, 3, WIRE_PROBE, NULL), 1);
    assert_true(run_until(b, start_ns + NS_PER_S, 2, WIRE_REPORT, &report));
    assert_int_equal(report.report.unanswered, 3);
    assert_int_equal(report.report.number, 77);
    assert_true(run_until(b, start_ns + NS_PER_S, 2, WIRE_REPORT, &report));
    assert_int_equal(report.report.unanswered, 4);
    assert_in_range(b->now_ns - start_ns, 550 * NS_PER_MS, 560 * NS_PER_MS);
    give(b, 2, &f);
    f.kind = WIRE_ANSWER;
    memset(&f.answer, 0, sizeof(f.answer));
    give(b, 3, &f);
    assert_int_equal(sent(b, 2, WIRE_REPORT, &report), 1);
    assert_int_equal(report.report.unanswered, 0);
    bench_free(b);
}

static void test_call_about_self_is_answered(void **state)
{
    struct bench *b = bench_new(5, 0);
    struct wire_frame f = { .kind = WIRE_CALL }, report;

    f.call = (struct wire_call){ 100, 5, 550, 0 };
    give(b, 2, &f);
    assert_int_equal(sent(b, 2, WIRE_REPORT, &report), 1);
    assert_int_equal(report.report.unanswered, 0);
    bench_free(b);
}

/* What others ask for leaves room for our own inquiries. */
static void test_help_is_bounded(void **state)
{
    struct bench *b = bench_new(30, 0);
    uint16_t from = b->core->edges[0].slot;
    size_t helping = 0;

    for (uint16_t slot = 1; slot < 30; slot++) {
        struct wire_frame f = { .kind = WIRE_CALL };

        f.call = (struct wire_call){ 100u + slot, slot, 550, 0 };
        if (slot != from)
            give(b, from, &f);
    }
    for (size_t i = 0; i < POOL_MAX; i++)
        helping += b->core->pool[i].purposes == PURPOSE_HELP;
    assert_int_equal(helping, HELPED_MAX);
    bench_free(b);
}

/* Our probes say what is held, so that the subject can refute it. */
static void test_probes_say_what_is_held(void **state)
{
    struct bench *b = bench_new(5, 0);
    struct wire_frame f = proved(103, 2, WIRE_STANDING_UNSTABLE), probe;

    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNSTABLE);
    f = (struct wire_frame){ .kind = WIRE_CALL };
    f.call = (struct wire_call){ 103, 77, 550, 2 };
    give(b, 2, &f);
    assert_int_equal(sent(b, 3, WIRE_PROBE, &probe), 1);
    assert_int_equal(probe.probe.standing, WIRE_STANDING_UNSTABLE);
    assert_int_equal(probe.probe.incarnation, 2);
    bench_free(b);
}

/* As many as there is room for are all asked, though the budget lets it take seconds. */
static void test_full_pool_is_served(void **state)
{
    struct bench *b = bench_new(30, 0);
    unsigned int probed[NODES_MAX] = { 0 };
    uint64_t end_ns = b->now_ns + 9 * NS_PER_S;

    for (uint16_t i = 1; i <= POOL_MAX; i++)
        assert_non_null(inquiry_start(b->core, i, PURPOSE_TRY, 2200 * NS_PER_MS));
    assert_null(inquiry_start(b->core, POOL_MAX + 1, PURPOSE_TRY, 550 * NS_PER_MS));
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_POOL_FULL), 1);
    timer(b, b->now_ns + NS_PER_MS);
    while (b->now_ns < end_ns) {
        for (uint16_t i = 1; i <= POOL_MAX; i++)
            probed[i] += (unsigned int)sent(b, i, WIRE_PROBE, NULL);
        timer(b, b->out.deadline_ns);
    }
    for (uint16_t i = 1; i <= POOL_MAX; i++)
        assert_in_range(probed[i], 1, 6);
    bench_free(b);
}

/* A subject of ours that answers has neighbours who tell it the news; it gets none of us. */
static void test_answer_brings_no_news(void **state)
{
    struct wire_frame call, f = { .kind = WIRE_ANSWER }, news = unreachable(104, 0);
    struct bench *b = open_inquiry(6, 3, &call);

    give(b, 1, &news);
    assert_int_equal(swim_standing(b->core, 4), WIRE_STANDING_UNREACHABLE);
    give(b, 3, &f);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED), 1);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ADOPTED), 0);
    bench_free(b);
}

static void test_every_place_has_a_deadline(void **state)
{
    struct bench *b = bench_new(30, 0);
    uint16_t first;

    for (uint16_t i = 1; i <= POOL_MAX; i++)
        assert_non_null(inquiry_start(b->core, i, PURPOSE_TRY, 550 * NS_PER_MS));
    first = b->core->pool[0].subject;
    for (uint16_t i = 1; i <= POOL_MAX; i++) {
        if (i != first)
            inquiry_close(b->core, i);
    }
    assert_true(inquiry_deadline(b->core) == b->core->pool[0].next_ns);
    inquiry_close(b->core, first);
    assert_true(inquiry_deadline(b->core) == NEVER_NS);
    bench_free(b);
}

/* Silence of three whom the budget let us ask is no evidence, of four it is. */
static void test_few_asked_is_no_evidence(void **state)
{
    for (uint8_t asked = 3; asked <= 4; asked++) {
        struct wire_frame call;
        struct bench *b = open_inquiry(8, 3, &call);
        struct inquiry *q = inquiry_find(b->core, 3);
        uint64_t end_ns = q->start_ns + 1200 * NS_PER_MS;

        while (!q->second)
            timer(b, b->out.deadline_ns);
        q->asked = asked;
        q->denied = true;
        while (b->out.deadline_ns < end_ns)
            timer(b, b->out.deadline_ns);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_INCONCLUSIVE), asked == 3);
        assert_int_equal(swim_standing(b->core, 3),
                         asked == 3 ? WIRE_STANDING_ALIVE : WIRE_STANDING_UNREACHABLE);
        bench_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inquiry_and_verdict),
        cmocka_unit_test(test_one_answer_ends_it),
        cmocka_unit_test(test_late_loop_voids),
        cmocka_unit_test(test_waiting_packet_voids),
        cmocka_unit_test(test_single_voucher_is_heard_once),
        cmocka_unit_test(test_hearing_clears_the_voucher),
        cmocka_unit_test(test_a_voice_counts_once),
        cmocka_unit_test(test_six_of_ten),
        cmocka_unit_test(test_alone_is_not_told),
        cmocka_unit_test(test_helper_probes_and_reports),
        cmocka_unit_test(test_call_about_self_is_answered),
        cmocka_unit_test(test_help_is_bounded),
        cmocka_unit_test(test_probes_say_what_is_held),
        cmocka_unit_test(test_full_pool_is_served),
        cmocka_unit_test(test_answer_brings_no_news),
        cmocka_unit_test(test_every_place_has_a_deadline),
        cmocka_unit_test(test_few_asked_is_no_evidence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
