/* The whole core: what it refuses, changes of the roster, and its bounds. */
#include "org/swim_test.h"

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

/* Whoever comes into a slot, the first one too, begins with nothing. */
static void test_slot_zero_changes_hands(void **state)
{
    struct bench *b = bench_new(6, 7);
    struct roster *next = roster_init(malloc(roster_size(NODES_MAX)), NODES_MAX, salt);
    struct swim_event event = { .kind = SWIM_EVENT_ROSTER, .roster = next, .now_ns = b->now_ns };
    uint16_t slot;

    assert_int_equal(swim_incarnation(b->core, 0), 7);
    roster_copy(next, b->roster);
    assert_int_equal(roster_remove(next, 0), 0);
    assert_int_equal(roster_add(next, 300, &slot), 0);
    assert_int_equal(slot, 0);
    roster_seal(next);
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    assert_int_equal(swim_self(b->core), ROSTER_NONE);
    assert_int_equal(swim_incarnation(b->core, 0), 0);
    free(b->roster);
    b->roster = next;
    bench_free(b);
}

/* The root that we were told goes out with our beats, until we are told another. */
static void test_root_is_told(void **state)
{
    struct bench *b = bench_new(4, 0);
    struct swim_event event = { .kind = SWIM_EVENT_ROOT, .root = 0x1122334455667788 };
    struct wire_frame f;

    event.now_ns = b->now_ns;
    assert_int_equal(swim_step(b->core, &event, &b->out), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(run_until(b, b->now_ns + 2 * NS_PER_S, ROSTER_NONE, WIRE_BEAT, &f));
        assert_true(f.beat.root == 0x1122334455667788);
    }
    bench_free(b);
}

/* Nothing of the step before is left in the effects. */
static void test_effects_begin_anew(void **state)
{
    struct bench *b = bench_new(5, 0);
    struct wire_frame f = { .kind = WIRE_CALL };

    f.call = (struct wire_call){ 100, 5, 550, 0 };
    give(b, 2, &f);
    assert_true(b->out.byte_count > 0 && b->out.send_count == 1);
    f = unreachable(103, 0);
    b->now_ns += NS_PER_S;
    give(b, 2, &f);
    assert_int_equal(b->out.change_count, 1);
    f.kind = WIRE_UNSTABLE;
    f.unstable = (struct wire_unstable){ 250, 0 }; /* nobody */
    give(b, 2, &f);
    assert_int_equal(b->out.byte_count, 0);
    assert_int_equal(b->out.send_count, 0);
    assert_int_equal(b->out.change_count, 0);
    bench_free(b);
}

/* Numbers of a former life are not used again, and tries of several nodes do not come together. */
static void test_a_life_begins_somewhere(void **state)
{
    struct bench *b = bench_new(4, 0);

    assert_int_not_equal(b->core->number, 0);
    assert_int_not_equal(b->core->beat_number, 0);
    assert_in_range(b->core->try_ns, b->now_ns, b->now_ns + 5 * NS_PER_S);
    bench_free(b);
    b = bench_make(&swim_parameters_random, 4, 0);
    assert_in_range(b->core->random.gossip_ns, b->now_ns, b->now_ns + 200 * NS_PER_MS);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_is_quiet),
        cmocka_unit_test(test_strangers_and_noise),
        cmocka_unit_test(test_roster_change),
        cmocka_unit_test(test_roster_change_keeps_the_edges),
        cmocka_unit_test(test_roster_change_keeps_the_others),
        cmocka_unit_test(test_storm_stays_in_bounds),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_slot_zero_changes_hands),
        cmocka_unit_test(test_root_is_told),
        cmocka_unit_test(test_effects_begin_anew),
        cmocka_unit_test(test_a_life_begins_somewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
