#include "org/swim_test.h"

enum { NODES = 8 };

/* Runs timers; everybody answers probes but `silent`. Adds up who was probed in ret_probed. */
static void run_answering(struct bench *b, uint16_t nodes, uint16_t silent, uint64_t until_ns,
                          unsigned int *ret_probed)
{
    struct wire_frame answer = { .kind = WIRE_ANSWER }, f;

    while (b->out.deadline_ns <= until_ns) {
        bool asked[NODES_MAX] = { false };

        timer(b, b->out.deadline_ns);
        for (uint16_t i = 1; i < nodes; i++)
            asked[i] = sent(b, i, WIRE_PROBE, &f) > 0;
        for (uint16_t i = 1; i < nodes; i++) {
            if (asked[i] && ret_probed)
                ret_probed[i]++;
            answer.answer.incarnation = swim_incarnation(b->core, i);
            if (asked[i] && i != silent)
                give(b, i, &answer);
        }
    }
}

static struct bench *random_bench(uint16_t nodes)
{
    return bench_make(&swim_parameters_random, nodes, 0);
}

/* Each period one, all of them before anybody again. */
static void test_all_are_probed_in_turn(void **state)
{
    struct bench *b = random_bench(NODES);
    unsigned int probed[NODES_MAX] = { 0 };

    run_answering(b, NODES, ROSTER_NONE, b->now_ns + 3 * (NODES - 1) * NS_PER_S, probed);
    for (uint16_t i = 1; i < NODES; i++)
        assert_in_range(probed[i], 2, 3);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_BEATS), 0);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_INQUIRIES), 0);
    bench_free(b);
}

static struct wire_frame suspicion(uint64_t id, uint32_t incarnation, uint64_t accuser)
{
    struct wire_frame f = { .kind = WIRE_SUSPECT };

    f.suspect = (struct wire_suspect){ id, incarnation, accuser };
    return f;
}

/* When member 3 is held unreachable after member 1 and `more` others accuse it; in milliseconds. */
static uint64_t verdict_after(uint16_t nodes, unsigned int more)
{
    struct bench *b = random_bench(nodes);
    struct wire_frame f = suspicion(103, 0, 101), answer = { .kind = WIRE_ANSWER };
    uint64_t start_ns = b->now_ns, took_ms;

    give(b, 1, &f);
    for (unsigned int i = 0; i < more; i++) {
        f = suspicion(103, 0, 104 + i);
        give(b, 1, &f);
        give(b, 1, &f); /* the same voice twice is one */
    }
    while (swim_standing(b->core, 3) != WIRE_STANDING_UNREACHABLE) {
        assert_true(b->now_ns < start_ns + 60 * NS_PER_S);
        timer(b, b->out.deadline_ns);
        for (uint16_t i = 1; i < nodes; i++) {
            if (sent(b, i, WIRE_PROBE, NULL) > 0)
                give(b, i, &answer); /* the accused too: an answer is no refutation */
        }
    }
    took_ms = (b->now_ns - start_ns) / NS_PER_MS;
    bench_free(b);
    return took_ms;
}

/* Eight members: four periods at least, six times as long while nobody confirms (memberlist). */
static void test_confirmations_shorten_the_wait(void **state)
{
    assert_in_range(verdict_after(NODES, 0), 24000, 24001);
    assert_in_range(verdict_after(NODES, 1), 11380, 11381);
    assert_in_range(verdict_after(NODES, 2), 4000, 4001);
    assert_in_range(verdict_after(NODES, 3), 4000, 4001);
    /* Thirty: as many times the decimal logarithm. */
    assert_in_range(verdict_after(30, 3), 5900, 5912);
}

/* Silence: a probe, half a second later three calls, suspicion at the end of the period. */
static void test_silence(void **state)
{
    struct bench *b = random_bench(NODES);
    uint64_t asked_ns, start_ns = b->now_ns;
    struct wire_frame f, answer = { .kind = WIRE_ANSWER };

    while (b->core->random.target != 3) {
        assert_true(b->now_ns < start_ns + 10 * NS_PER_S);
        run_answering(b, NODES, 3, b->out.deadline_ns, NULL);
    }
    asked_ns = b->core->random.asked_ns;
    b->now_ns = asked_ns + 100 * NS_PER_MS;
    give(b, 1, &answer); /* another's: what was asked goes on, and not sooner */
    assert_int_equal(sent(b, ROSTER_NONE, WIRE_CALL, NULL), 0);
    assert_true(run_until(b, asked_ns + 600 * NS_PER_MS, ROSTER_NONE, WIRE_CALL, &f));
    assert_int_equal(b->now_ns - asked_ns, 500 * NS_PER_MS);
    assert_in_range(sent(b, ROSTER_NONE, WIRE_CALL, &f), 3, 3);
    assert_true(f.call.subject == 103);
    assert_int_equal(sent(b, 3, WIRE_CALL, NULL), 0);
    assert_true(run_until(b, asked_ns + 1300 * NS_PER_MS, ROSTER_NONE, WIRE_SUSPECT, &f));
    assert_true(f.suspect.subject == 103 && f.suspect.accuser == 100);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    assert_int_equal(b->core->random.awareness, 3); /* no helper said a word: it may be us */
    bench_free(b);
}

static void test_another_reaches_it(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame call, f = { .kind = WIRE_REPORT };
    uint16_t target;

    assert_true(run_until(b, b->now_ns + 3 * NS_PER_S, ROSTER_NONE, WIRE_CALL, &call));
    target = b->core->random.target;
    f.report = (struct wire_report){ call.call.subject, (uint16_t)(call.call.number + 1), 0 };
    give(b, target == 1 ? 2 : 1, &f);
    assert_int_equal(b->core->random.target, target); /* of another call */
    f.report.number = call.call.number;
    f.report.unanswered = 1;
    give(b, target == 1 ? 2 : 1, &f);
    assert_int_equal(b->core->random.target, target);
    assert_int_equal(b->core->random.silent, 1);
    f.report.unanswered = 0;
    give(b, target == 1 ? 2 : 1, &f);
    assert_int_equal(b->core->random.target, ROSTER_NONE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_ANSWERED_ELSEWHERE), 1);
    bench_free(b);
}

static void test_help(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = { .kind = WIRE_CALL }, report;
    uint64_t start_ns = b->now_ns;

    f.call = (struct wire_call){ 103, 9, 500, 0 };
    give(b, 2, &f);
    assert_int_equal(sent(b, 3, WIRE_PROBE, NULL), 1);
    assert_true(run_until(b, start_ns + NS_PER_S, 2, WIRE_REPORT, &report));
    assert_int_equal(b->now_ns - start_ns, 400 * NS_PER_MS);
    assert_int_equal(report.report.unanswered, 1);
    assert_int_equal(report.report.number, 9);
    f = (struct wire_frame){ .kind = WIRE_ANSWER };
    give(b, 3, &f); /* late, and good all the same */
    assert_int_equal(sent(b, 2, WIRE_REPORT, &report), 1);
    assert_int_equal(report.report.unanswered, 0);
    give(b, 3, &f);
    assert_int_equal(sent(b, 2, WIRE_REPORT, &report), 0);
    bench_free(b);
}

static void test_refutation_ends_suspicion(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = suspicion(103, 0, 101);

    give(b, 1, &f);
    f = suspicion(103, 0, 104);
    give(b, 1, &f);
    f = suspicion(103, 0, 105);
    give(b, 1, &f);
    f = proved(103, 1, WIRE_STANDING_ALIVE);
    give(b, 1, &f);
    f = suspicion(103, 0, 106); /* of the former incarnation */
    give(b, 1, &f);
    run_answering(b, NODES, ROSTER_NONE, b->now_ns + 40 * NS_PER_S, NULL);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    f = suspicion(103, 2, 106); /* that its owner never signed */
    give(b, 1, &f);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_UNPROVED), 1);
    bench_free(b);
}

static void test_we_refute_suspicion(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = suspicion(100, 0, 101), told;

    b->now_ns += NS_PER_S / 10;
    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 1);
    assert_true(b->out.persist);
    assert_int_equal(b->core->random.awareness, 1);
    assert_true(run_until(b, b->now_ns + NS_PER_S, ROSTER_NONE, WIRE_SIGNED, &told));
    assert_true(told.proved.subject == 100 && told.proved.incarnation == 1);
    bench_free(b);
}

/* Trouble of our own stretches our time up to eightfold, no further. */
static void test_awareness_is_bounded(void **state)
{
    struct bench *b = random_bench(NODES);

    for (uint32_t i = 0; i < 12; i++) {
        struct wire_frame f = suspicion(100, swim_incarnation(b->core, SELF), 101);

        b->now_ns += NS_PER_S + NS_PER_MS;
        give(b, 1, &f);
        assert_in_range(b->core->random.awareness, 0, 7);
    }
    assert_int_equal(b->core->random.awareness, 7);
    bench_free(b);
}

/* True when one packet of the last step holds frames of both kinds. */
static bool together(const struct bench *b, enum wire_kind first, enum wire_kind second)
{
    for (size_t i = 0; i < b->out.send_count; i++) {
        const struct swim_send *send = &b->out.sends[i];
        struct cursor c = cursor_make(b->out.bytes + send->offset, send->size);
        bool found[WIRE_KIND_MAX_] = { false };
        struct wire_frame f;

        while (wire_next(&c, &f) == 1)
            found[f.kind] = true;
        if (found[first] && found[second])
            return true;
    }
    return false;
}

/* News go with what is sent anyway, and by themselves within a fifth of a second. */
static void test_news_do_not_wait(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = unreachable(105, 0), probe = { .kind = WIRE_PROBE };

    give(b, 1, &f);
    give(b, 2, &probe); /* our answer takes it along */
    assert_true(together(b, WIRE_ANSWER, WIRE_UNREACHABLE));
    bench_free(b);
    b = random_bench(NODES);
    give(b, 1, &f);
    assert_true(run_until(b, b->now_ns + 201 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    bench_free(b);
}

static void test_views_are_exchanged(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f;

    assert_true(run_until(b, b->now_ns + 30 * NS_PER_S, ROSTER_NONE, WIRE_SUMMARY, &f));
    assert_true(f.summary.asks);
    bench_free(b);
}

/* Each news four times for each decimal place of the members: here four. */
static void test_news_is_told_four_times(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = unreachable(105, 0), answer = { .kind = WIRE_ANSWER };
    uint64_t until_ns = b->now_ns + 5 * NS_PER_S;
    size_t told = 0;

    give(b, 1, &f);
    told += sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
    while (b->out.deadline_ns <= until_ns) {
        timer(b, b->out.deadline_ns);
        told += sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
        for (uint16_t i = 1; i < NODES; i++) {
            if (i != 5 && sent(b, i, WIRE_PROBE, NULL) > 0)
                give(b, i, &answer);
        }
    }
    assert_in_range(told, 4, 4);
    bench_free(b);
}

/* With one other member as well, each period has its probe, and each silence its news. */
static void test_two_probe_each_other(void **state)
{
    struct bench *b = random_bench(2);
    unsigned int probed[NODES_MAX] = { 0 };

    run_answering(b, 2, ROSTER_NONE, b->now_ns + 5 * NS_PER_S, probed);
    assert_in_range(probed[1], 4, 6);
    bench_free(b);
}

/* Every probe that nobody answers makes others ask, not only the first. */
static void test_each_silence_calls_others(void **state)
{
    struct bench *b = random_bench(NODES);
    uint64_t end_ns = b->now_ns + 20 * NS_PER_S;
    unsigned int rounds = 0;

    while (b->now_ns < end_ns) {
        timer(b, b->out.deadline_ns);
        rounds += sent(b, ROSTER_NONE, WIRE_CALL, NULL) > 0;
    }
    assert_true(rounds >= 2);
    bench_free(b);
}

/* Several ask for help at once: each hears that there was no answer. */
static void test_all_callers_hear_of_silence(void **state)
{
    struct bench *b = random_bench(NODES);
    unsigned int told[NODES_MAX] = { 0 };
    uint64_t end_ns = b->now_ns + 2 * NS_PER_S;

    for (uint16_t from = 1; from <= 3; from++) {
        struct wire_frame f = { .kind = WIRE_CALL };

        f.call = (struct wire_call){ 104u + from, from, 550, 0 };
        give(b, from, &f);
    }
    while (b->now_ns < end_ns) {
        timer(b, b->out.deadline_ns);
        for (uint16_t i = 1; i <= 3; i++)
            told[i] += (unsigned int)sent(b, i, WIRE_REPORT, NULL);
    }
    for (uint16_t i = 1; i <= 3; i++)
        assert_int_equal(told[i], 1);
    bench_free(b);
}

/* News go to three members at a time. */
static void test_gossip_goes_to_three(void **state)
{
    struct bench *b = random_bench(NODES);
    struct wire_frame f = unreachable(103, 0);
    size_t most = 0;

    give(b, 1, &f);
    while (run_until(b, b->now_ns + NS_PER_S, ROSTER_NONE, WIRE_UNREACHABLE, NULL)) {
        most = sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL) > most
                   ? sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL)
                   : most;
    }
    assert_in_range(most, 3, 4); /* one with a probe */
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_probed_in_turn),
        cmocka_unit_test(test_confirmations_shorten_the_wait),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_another_reaches_it),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_refutation_ends_suspicion),
        cmocka_unit_test(test_we_refute_suspicion),
        cmocka_unit_test(test_awareness_is_bounded),
        cmocka_unit_test(test_news_do_not_wait),
        cmocka_unit_test(test_views_are_exchanged),
        cmocka_unit_test(test_news_is_told_four_times),
        cmocka_unit_test(test_two_probe_each_other),
        cmocka_unit_test(test_each_silence_calls_others),
        cmocka_unit_test(test_all_callers_hear_of_silence),
        cmocka_unit_test(test_gossip_goes_to_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
