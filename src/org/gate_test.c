#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/heap.h"
#include "org/gate.h"
#include "org/org_test.h"

enum { PEERS = 20 };

static const uint64_t second = 1000000000ull;
static struct gate *g;

static int begin(unsigned peer, bool by_peer, uint64_t now_ns)
{
    struct test_key key = test_key(peer);

    return gate_begin(g, key.bytes, by_peer, now_ns);
}

static void end(unsigned peer, bool broken, uint64_t now_ns)
{
    struct test_key key = test_key(peer);

    gate_end(g, key.bytes, broken, now_ns);
}

static int open_gate(void **state)
{
    return gate_new(PEERS, &g);
}

static int close_gate(void **state)
{
    g = gate_free(g);
    return 0;
}

static void one_session_with_a_peer(void **state)
{
    assert_int_equal(begin(1, true, 0), 0);
    assert_int_equal(begin(1, true, 100 * second), -EBUSY);
    assert_int_equal(begin(1, false, 100 * second), -EBUSY);
    assert_int_equal(begin(2, true, 0), 0);
    assert_int_equal(gate_sessions(g), 2);
    end(1, false, second);
    assert_int_equal(gate_sessions(g), 1);
}

/* What peers open leaves places for what we want ourselves. */
static void places_are_kept_for_ourselves(void **state)
{
    for (unsigned i = 0; i < GATE_OPENED_MAX; i++)
        assert_int_equal(begin(i, true, 0), 0);
    assert_int_equal(begin(GATE_OPENED_MAX, true, 0), -EBUSY);
    for (unsigned i = GATE_OPENED_MAX; i < GATE_SESSIONS_MAX; i++)
        assert_int_equal(begin(i, false, 0), 0);
    assert_int_equal(begin(GATE_SESSIONS_MAX, false, 0), -EBUSY);
    end(0, false, 0);
    assert_int_equal(begin(GATE_SESSIONS_MAX, true, 0), 0);
    assert_int_equal(begin(GATE_SESSIONS_MAX + 1, true, 0), -EBUSY);
    end(GATE_OPENED_MAX, false, 0); /* one of ours: still 12 of theirs */
    assert_int_equal(begin(GATE_SESSIONS_MAX + 1, true, 0), -EBUSY);
    assert_int_equal(begin(GATE_SESSIONS_MAX + 1, false, 0), 0);
}

static void who_takes_long_waits_longer(void **state)
{
    assert_int_equal(begin(1, true, 10 * second), 0);
    end(1, false, 14 * second);
    assert_int_equal(begin(1, true, 26 * second - 1), -EAGAIN);
    assert_int_equal(begin(1, false, 14 * second), 0); /* when we want to */
    end(1, false, 15 * second);
    assert_int_equal(begin(1, true, 26 * second), 0);
    end(1, false, 26 * second); /* no time at all */
    assert_int_equal(begin(1, true, 26 * second + GATE_WAIT_MIN_NS - 1), -EAGAIN);
    assert_int_equal(begin(1, true, 26 * second + GATE_WAIT_MIN_NS), 0);
    end(1, false, 100 * second); /* so long that the longest wait holds */
    assert_int_equal(begin(1, true, 160 * second - 1), -EAGAIN);
    assert_int_equal(begin(1, true, 160 * second), 0);
}

static void who_breaks_the_protocol_waits_longest(void **state)
{
    assert_int_equal(begin(1, true, 0), 0);
    end(1, true, 1);
    assert_int_equal(begin(1, true, GATE_WAIT_MAX_NS), -EAGAIN);
    assert_int_equal(begin(1, true, GATE_WAIT_MAX_NS + 1), 0);
    end(1, false, GATE_WAIT_MAX_NS + 1);
    assert_int_equal(begin(1, false, GATE_WAIT_MAX_NS + 2), 0);
    end(1, true, GATE_WAIT_MAX_NS + 3); /* also when we had opened it */
    assert_int_equal(begin(1, true, 2 * GATE_WAIT_MAX_NS + 2), -EAGAIN);
    assert_int_equal(begin(2, true, 0), 0); /* nobody else does */
}

/* Whatever a peer does, it has a quarter of our time. */
static void a_quarter_at_the_most(void **state)
{
    uint64_t now = 0, used = 0, seed = 1;

    while (now < 3600 * second) {
        uint64_t took = test_random(&seed) % (5 * second);

        if (begin(1, true, now) == 0) {
            end(1, test_random(&seed) % 4 == 0, now + took);
            used += took;
            now += took;
        }
        now += test_random(&seed) % (second / 10);
    }
    assert_true(used < 3600 * second / 4);
    assert_true(used > 3600 * second / 20);
}

static void fresh_salts_are_rare(void **state)
{
    struct test_key key = test_key(1), other = test_key(2);

    assert_int_equal(begin(1, true, 0), 0);
    assert_int_equal(begin(2, true, 0), 0);
    assert_true(gate_fresh(g, key.bytes, 5));
    assert_false(gate_fresh(g, key.bytes, 4 + GATE_FRESH_NS));
    assert_true(gate_fresh(g, other.bytes, 6));
    assert_true(gate_fresh(g, key.bytes, 5 + GATE_FRESH_NS));
}

static void statements_come_at_a_rate(void **state)
{
    struct test_key key = test_key(1), other = test_key(2);
    unsigned taken = 0;

    for (unsigned i = 0; i < 100; i++)
        taken += gate_leaves(g, key.bytes, second);
    assert_int_equal(taken, GATE_LEAVES_BURST);
    assert_true(gate_leaves(g, other.bytes, second));
    assert_false(gate_leaves(g, key.bytes, second + GATE_LEAF_NS - 1));
    assert_true(gate_leaves(g, key.bytes, second + GATE_LEAF_NS));
    assert_false(gate_leaves(g, key.bytes, second + GATE_LEAF_NS));
    taken = 0; /* after long silence not more than a burst */
    for (unsigned i = 0; i < 100; i++)
        taken += gate_leaves(g, key.bytes, 10000 * second);
    assert_int_equal(taken, GATE_LEAVES_BURST);
}

static void room_is_for_members(void **state)
{
    struct test_key last = test_key(PEERS), first = test_key(0);

    for (unsigned i = 0; i < PEERS; i++) {
        struct test_key key = test_key(i);

        assert_true(gate_leaves(g, key.bytes, 0));
    }
    assert_false(gate_leaves(g, last.bytes, 0));
    assert_int_equal(begin(PEERS, true, 0), -ENOSPC);
    gate_forget(g, last.bytes); /* was never here */
    gate_forget(g, first.bytes);
    assert_int_equal(begin(PEERS, true, 0), 0);
    assert_int_equal(begin(0, true, 0), -ENOSPC);
}

static void no_memory_is_said(void **state)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct gate *none = NULL;

        heap_fail_after(i);
        assert_int_equal(gate_new(PEERS, &none), -ENOMEM);
        heap_fail_after(UINT64_MAX);
        assert_null(none);
    }
    assert_null(gate_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_session_with_a_peer, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(places_are_kept_for_ourselves, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(who_takes_long_waits_longer, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(who_breaks_the_protocol_waits_longest, open_gate,
                                        close_gate),
        cmocka_unit_test_setup_teardown(a_quarter_at_the_most, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(fresh_salts_are_rare, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(statements_come_at_a_rate, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(room_is_for_members, open_gate, close_gate),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
