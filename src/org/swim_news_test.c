/* News: what is believed of what others tell, and what is passed on. */
#include "org/swim_test.h"

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
    /* What was to be told without its proof is left to comparing views. */
    run_until(b, b->now_ns + 50 * NS_PER_MS, ROSTER_NONE, WIRE_SIGNED, &out);
    assert_true(out.proved.subject == 117);
    assert_true(swim_counter(b->core, SWIM_COUNT_PROOF_MISSING) > 0);
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

/* Soon after the clock's zero as well, it takes three strikes. */
static void test_two_strikes_are_not_enough(void **state)
{
    struct bench *b = bench_make_at(&swim_parameters_overlay, 4, 0, 30 * NS_PER_S);
    struct wire_frame f;

    for (uint32_t i = 0; i < 2; i++) {
        b->now_ns += 5 * NS_PER_S;
        f = unreachable(103, i);
        give(b, 1, &f);
        edge_find(b->core, 3)->voted = true;
        f = proved(103, i + 1, WIRE_STANDING_ALIVE);
        give(b, 1, &f);
    }
    assert_int_equal(swim_counter(b->core, SWIM_COUNT_STRIKES), 2);
    assert_int_equal(swim_standing(b->core, 3), WIRE_STANDING_ALIVE);
    bench_free(b);
}

/* What everybody knows leaves the list, also from behind what is still to be told. */
static void test_list_loses_its_end(void **state)
{
    struct bench *b = bench_new(12, 0);
    struct wire_frame first = unreachable(103, 0), second = unreachable(104, 0);
    uint16_t told = 0;

    b->now_ns += NS_PER_S;
    give(b, 1, &first);
    give(b, 1, &second);
    for (uint8_t i = 0; i < b->core->edge_count; i++)
        give(b, b->core->edges[i].slot, &second);
    assert_int_equal(b->core->members[4].tell, 0);
    assert_true(run_until(b, b->now_ns + 50 * NS_PER_MS, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
    swim_check(b->core);
    assert_true(b->core->members[3].listed && !b->core->members[4].listed);
    for (int part = 0; part < 2; part++) {
        told = (uint16_t)(told + sent(b, ROSTER_NONE, WIRE_UNREACHABLE, NULL));
        run_until(b, b->now_ns + NS_PER_S, ROSTER_NONE, WIRE_UNREACHABLE, NULL);
    }
    assert_in_range(told, 7, 9); /* the first, to all but its teller and its subject */
    bench_free(b);
}

/* Looking at signatures is work that others could make us do: 64 in a second. */
static void test_signatures_are_limited(void **state)
{
    struct bench *b = bench_new(6, 0);
    struct wire_frame forged = proved(105, 1, WIRE_STANDING_ALIVE);

    forged.proved.signature[3] ^= 1;
    for (unsigned int second = 1; second <= 3; second++) {
        b->now_ns += NS_PER_S;
        for (int i = 0; i < 70; i++)
            give(b, 1, &forged);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_BAD_SIGNATURES), 64 * second);
        assert_int_equal(swim_counter(b->core, SWIM_COUNT_VERIFY_LIMITED), 6 * second);
    }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news_is_passed_on_once),
        cmocka_unit_test(test_fresh_evidence_beats_news),
        cmocka_unit_test(test_refutation_needs_the_signature),
        cmocka_unit_test(test_verdict_ahead_asks_for_proof),
        cmocka_unit_test(test_owner_teaches_its_incarnation),
        cmocka_unit_test(test_proofs_are_not_mixed_up),
        cmocka_unit_test(test_unstable_is_news),
        cmocka_unit_test(test_third_strike_is_unstable),
        cmocka_unit_test(test_two_strikes_are_not_enough),
        cmocka_unit_test(test_list_loses_its_end),
        cmocka_unit_test(test_signatures_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
