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

static void test_alone_is_quiet(void **state)
{
    struct bench *b = bench_new(1, 0);

    timer(b, b->now_ns + 3600 * NS_PER_S);
    assert_int_equal(b->out.send_count, 0);
    bench_free(b);
}

static void test_strangers_and_noise(void **state)
{
    static const uint8_t bad[] = { 0x42, 4, 9, 0, 0, 0 };
    struct bench *b = bench_new(3, 0);
    uint64_t deadline_ns = b->out.deadline_ns;
    struct wire_frame f = { .kind = WIRE_UNSTABLE };
    uint8_t bytes[16];
    struct wire_writer w = { .bytes = bytes, .capacity = sizeof(bytes) };

    f.unstable.subject = 101;
    assert_int_equal(wire_put(&w, &f), 0);
    assert_int_equal(feed_late(b, 7, bytes, w.size, 0), -ENOENT);
    assert_int_equal(feed_late(b, SELF, bytes, w.size, 0), -ENOENT);
    assert_int_equal(feed_late(b, 0xffff, bytes, w.size, 0), -ENOENT);
    assert_int_equal(feed_late(b, 1, bad, sizeof(bad), 0), -EBADMSG);
    assert_int_equal(feed_late(b, 1, bad, 0, 0), -EBADMSG);
    assert_true(b->out.deadline_ns == deadline_ns && b->out.send_count == 0);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_STRANGERS), 3);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_MALFORMED), 2);
    bench_free(b);
}

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
    assert_false(run_until(b, b->now_ns + 650 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    give(b, 8, &f); /* after nine calls our own probes wait for the budget */
    assert_true(run_until(b, b->now_ns + 1500 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERDICTS_STRONG), 1);
    bench_free(b);
}

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

static void test_news_is_passed_on_once(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = unreachable(105, 0), told;
    uint16_t from = 1;

    b->now_ns += NS_PER_S;
    give(b, from, &f);
    assert_int_equal(b->out.change_count, 1);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNREACHABLE);
    assert_true(run_until(b, b->now_ns + NS_PER_S, 2, WIRE_UNREACHABLE, &told));
    assert_int_equal(sent(b, from, WIRE_UNREACHABLE, NULL), 0);
    assert_int_equal(sent(b, 5, WIRE_UNREACHABLE, NULL), 0);
    assert_int_equal(sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL), 3);
    give(b, 2, &f); /* known */
    assert_int_equal(b->out.change_count, 0);
    assert_false(run_until(b, b->now_ns + NS_PER_S, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    bench_free(b);
}

/* A verdict about somebody who was just heard is older than what we know. */
static void test_fresh_evidence_beats_news(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = unreachable(105, 0);

    give_beat(b, 5, 0, 1);
    b->now_ns += 299 * NS_PER_MS;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE);
    b->now_ns += 2 * NS_PER_MS;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNREACHABLE);
    bench_free(b);
}

static void test_refutation_needs_the_signature(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = unreachable(105, 0), good = proved(105, 1, WIRE_STANDING_ALIVE);
    struct wire_frame forged = good, told;

    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    forged.proved.signature[3] ^= 1;
    give(b, 1, &forged);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNREACHABLE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_BAD_SIGNATURES), 1);
    give(b, 1, &good);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE);
    assert_int_equal(swim_incarnation(b->core, 5), 1);
    assert_true(run_until(b, b->now_ns + NS_PER_S, 2, WIRE_SIGNED, &told));
    assert_memory_equal(told.proved.signature, good.proved.signature, WIRE_SIGNATURE_SIZE);
    give(b, 2, &f); /* the old verdict: who holds it is corrected */
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE);
    assert_int_equal(sent(b, 2, WIRE_SIGNED, NULL), 1);
    bench_free(b);
}

static void test_verdict_ahead_asks_for_proof(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = unreachable(105, 1), asked;

    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE);
    assert_int_equal(sent(b, 1, WIRE_HELD, &asked), 1);
    assert_int_equal(asked.held.incarnation, 0);
    f = proved(105, 1, WIRE_STANDING_UNREACHABLE);
    give(b, 1, &f); /* proved, but old perhaps: its subject is asked first */
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE);
    assert_int_equal(sent(b, 5, WIRE_PROBE, &asked), 1);
    assert_int_equal(asked.probe.standing, WIRE_STANDING_UNREACHABLE);
    run_until(b, b->now_ns + 600 * NS_PER_MS, ROSTER_NONE, WIRE_SUMMARY, NULL);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNREACHABLE);
    assert_int_equal(swim_incarnation(b->core, 5), 1);
    bench_free(b);
}

static void test_we_refute(void **state)
{
    struct bench *b = bench_new(6, 7);
    struct wire_frame f = unreachable(100, 7), told;

    give(b, 1, &f);
    assert_true(b->out.persist);
    assert_int_equal(b->out.incarnation, 8);
    assert_true(run_until(b, b->now_ns + NS_PER_S, 2, WIRE_SIGNED, &told));
    assert_int_equal(told.proved.incarnation, 8);
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

static void test_third_strike_is_unstable(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct wire_frame f;

    for (uint32_t i = 0; i < 3; i++) {
        struct edge *e = edge_find(b->core, 3);

        b->now_ns += 5 * NS_PER_S;
        f = unreachable(103, i);
        give(b, 1, &f);
        assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNREACHABLE);
        e->voted = true;
        f = proved(103, i + 1, WIRE_STANDING_ALIVE);
        give(b, 1, &f);
        assert_int_equal(e->widen, i + 1);
    }
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_UNSTABLE);
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_UNSTABLE_SAID), 1);
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

static void test_roster_change(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct roster *next = roster_init(malloc(roster_size(NODES_MAX)), NODES_MAX, salt);
    struct swim_event event = { .kind = SWIM_EVENT_ROSTER, .roster = next };
    struct wire_frame f = unreachable(105, 0);
    uint16_t slot;

    give(b, 1, &f);
    roster_copy(next, b->roster);
    assert_int_equal(roster_remove(next, 5), 0);
    assert_int_equal(roster_add(next, 200, &slot), 0);
    assert_int_equal(slot, 5);
    roster_seal(next);
    event.now_ns = b->now_ns;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_ALIVE); /* somebody else now */
    assert_true(swim_view_digest(b->core) == 0);
    swim_check(b->core);
    assert_int_equal(roster_remove(next, 0), 0);
    roster_seal(next); /* we are out */
    event.roster = next;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_int_equal(swim_self(b->core), ROSTER_NONE);
    timer(b, b->now_ns + 100 * NS_PER_S);
    assert_int_equal(b->out.send_count, 0);
    bench_free(b);
    free(next);
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

static void test_owner_teaches_its_incarnation(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = { .kind = WIRE_ANSWER };

    f.answer.incarnation = 4;
    give(b, 5, &f);
    assert_int_equal(swim_incarnation(b->core, 5), 4);
    give_beat(b, 5, 6, 1);
    assert_int_equal(swim_incarnation(b->core, 5), 6);
    assert_int_equal(sent(b, 5, WIRE_PROBE, &f), 1); /* and is asked to sign it */
    assert_int_equal(f.probe.incarnation, 0);
    give_beat(b, 5, 3, 2); /* lost its last write */
    assert_int_equal(swim_incarnation(b->core, 5), 6);
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

/* Proofs share places; nobody's proof is taken for another's, or for another incarnation. */
static void test_proofs_are_not_mixed_up(void **state)
{
    struct bench *b = bench_new(30, 0);
    struct wire_frame f = proved(101, 1, WIRE_STANDING_ALIVE), out;

    give(b, 2, &f);
    assert_true(news_signed_frame(b->core, 1, &out));
    f = proved(117, 1, WIRE_STANDING_ALIVE); /* sixteen places on */
    give(b, 2, &f);
    assert_true(news_signed_frame(b->core, 17, &out));
    assert_true(out.proved.subject == 117);
    assert_false(news_signed_frame(b->core, 1, &out));
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

static void test_how_far_ahead_we_believe(void **state)
{
    struct bench *b = bench_new(6, 7);
    struct wire_frame f = unreachable(100, 7 + SWIM_AHEAD_MAX);

    give(b, 1, &f);
    assert_int_equal(swim_incarnation(b->core, SELF), 7 + SWIM_AHEAD_MAX + 1);
    bench_free(b);
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

static void test_unstable_is_news(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame f = { .kind = WIRE_UNSTABLE };

    f.unstable.subject = 105;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNSTABLE);
    assert_true(run_until(b, b->now_ns + NS_PER_S, 2, WIRE_UNSTABLE, NULL));
    f = unreachable(105, 0); /* graver, in the same incarnation */
    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    assert_int_equal(swim_standing(b->core, 5), WIRE_STANDING_UNREACHABLE);
    bench_free(b);
}

/* When the next beat of each is due is not forgotten for a newcomer's sake. */
static void test_roster_change_keeps_the_edges(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct roster *next = roster_init(malloc(roster_size(NODES_MAX)), NODES_MAX, salt);
    struct swim_event event = { .kind = SWIM_EVENT_ROSTER, .roster = next };
    struct wire_frame call;
    uint16_t slot;

    run_org(b, 6, ROSTER_NONE, 10);
    give_beat_turn(b, 3, 0, 100, 1);
    roster_copy(next, b->roster);
    assert_int_equal(roster_add(next, 300, &slot), 0);
    roster_seal(next);
    event.now_ns = b->now_ns;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_true(run_until(b, b->now_ns + 1500 * NS_PER_MS, 1, WIRE_CALL, &call));
    assert_true(call.call.subject == 103);
    free(b->roster);
    b->roster = next;
    bench_free(b);
}

static void test_roster_change_keeps_the_others(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct roster *next = roster_init(malloc(roster_size(NODES_MAX)), NODES_MAX, salt);
    struct swim_event event = { .kind = SWIM_EVENT_ROSTER, .roster = next };
    struct wire_frame f = unreachable(104, 0);
    uint16_t slot;

    b->now_ns += NS_PER_S;
    give(b, 1, &f);
    roster_copy(next, b->roster);
    assert_int_equal(roster_add(next, 300, &slot), 0);
    roster_seal(next);
    event.now_ns = b->now_ns;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_int_equal(swim_standing(b->core, 4), WIRE_STANDING_UNREACHABLE);
    assert_non_null(edge_find(b->core, slot));
    free(b->roster);
    b->roster = next;
    bench_free(b);
}

/* Whatever comes in: the bounds hold, nothing aborts, and every step ends. */
static void test_storm_stays_in_bounds(void **state)
{
    struct bench *b = bench_new(30, 0);
    uint64_t sent_ns[SWIM_PACKETS_PER_S] = { 0 };
    uint32_t at = 0;
    struct rng r;

    rng_seed(&r, 11);
    for (int i = 0; i < 60000; i++) {
        uint8_t bytes[200];
        size_t size = 0;

        while (size < 150) { /* well-formed heads, random values */
            uint8_t kind = (uint8_t)(1 + rng_below(&r, WIRE_KIND_MAX_ - 1));
            size_t frame = wire_frame_size((enum wire_kind)kind);

            if (frame > sizeof(bytes) - size)
                break;
            for (size_t j = 0; j < frame; j++)
                bytes[size + j] = rng_chance(&r, 700000) ? 0 : (uint8_t)rng_next(&r);
            bytes[size] = (uint8_t)(0x40 | kind);
            bytes[size + 1] = (uint8_t)(frame - 2);
            bytes[size + 2] = (uint8_t)(100 + rng_below(&r, 30));
            size += frame;
        }
        b->now_ns += rng_below(&r, 3 * NS_PER_MS);
        (void)feed_late(b, (uint16_t)(1 + rng_below(&r, 29)), bytes, size, 0);
        for (size_t j = 0; j < b->out.send_count; j++, at++) {
            uint64_t *oldest_ns = &sent_ns[at % SWIM_PACKETS_PER_S];

            assert_true(*oldest_ns == 0 || b->now_ns - *oldest_ns >= NS_PER_S);
            *oldest_ns = b->now_ns;
            assert_int_equal(
                wire_check(b->out.bytes + b->out.sends[j].offset, b->out.sends[j].size), 0);
        }
        if (i % 100 == 0)
            swim_check(b->core);
    }
    assert_true(at > 100);
    bench_free(b);
}

/* The same events give the same effects, byte for byte. */
static void test_deterministic(void **state)
{
    struct bench *a = bench_new(20, 0), *b = bench_new(20, 0);

    for (int i = 0; i < 300; i++) {
        timer(a, a->out.deadline_ns);
        timer(b, b->out.deadline_ns);
        assert_int_equal(a->out.byte_count, b->out.byte_count);
        assert_memory_equal(a->out.bytes, b->out.bytes, a->out.byte_count);
        assert_true(a->out.deadline_ns == b->out.deadline_ns);
    }
    bench_free(a);
    bench_free(b);
}

static void test_names(void **state)
{
    for (int i = 0; i < SWIM_COUNT_MAX_; i++)
        assert_true(swim_count_name((enum swim_count)i)[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats_go_round),
        cmocka_unit_test(test_beats_keep_their_schedule),
        cmocka_unit_test(test_alone_is_quiet),
        cmocka_unit_test(test_strangers_and_noise),
        cmocka_unit_test(test_inquiry_and_verdict),
        cmocka_unit_test(test_one_answer_ends_it),
        cmocka_unit_test(test_late_loop_voids),
        cmocka_unit_test(test_single_voucher_is_heard_once),
        cmocka_unit_test(test_a_voice_counts_once),
        cmocka_unit_test(test_six_of_ten),
        cmocka_unit_test(test_beat_below_is_told),
        cmocka_unit_test(test_overtaken_beat),
        cmocka_unit_test(test_waiting_packet_voids),
        cmocka_unit_test(test_alone_is_not_told),
        cmocka_unit_test(test_helper_probes_and_reports),
        cmocka_unit_test(test_call_about_self_is_answered),
        cmocka_unit_test(test_news_is_passed_on_once),
        cmocka_unit_test(test_fresh_evidence_beats_news),
        cmocka_unit_test(test_refutation_needs_the_signature),
        cmocka_unit_test(test_verdict_ahead_asks_for_proof),
        cmocka_unit_test(test_we_refute),
        cmocka_unit_test(test_former_self),
        cmocka_unit_test(test_probe_is_answered),
        cmocka_unit_test(test_views_are_compared),
        cmocka_unit_test(test_differing_beat_asks),
        cmocka_unit_test(test_third_strike_is_unstable),
        cmocka_unit_test(test_own_unstable_spell),
        cmocka_unit_test(test_gap_starts_the_spell_anew),
        cmocka_unit_test(test_roster_change),
        cmocka_unit_test(test_own_health_is_told),
        cmocka_unit_test(test_hearing_clears_the_voucher),
        cmocka_unit_test(test_owner_teaches_its_incarnation),
        cmocka_unit_test(test_former_self_keeps_the_proof),
        cmocka_unit_test(test_proofs_are_not_mixed_up),
        cmocka_unit_test(test_help_is_bounded),
        cmocka_unit_test(test_how_far_ahead_we_believe),
        cmocka_unit_test(test_two_refutations_are_not_enough),
        cmocka_unit_test(test_unstable_is_news),
        cmocka_unit_test(test_roster_change_keeps_the_edges),
        cmocka_unit_test(test_roster_change_keeps_the_others),
        cmocka_unit_test(test_storm_stays_in_bounds),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
