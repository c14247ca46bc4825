#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/org_test.h"
#include "org/revoke.h"

static struct revoke_statement sample(void)
{
    struct revoke_statement s = { .role = REVOKE_ADMIN, .stamp = 5, .frontier_count = 2 };

    memset(s.revoker, 1, 32);
    memset(s.subject, 2, 32);
    memcpy(s.reason, "lost", 4);
    s.reason_size = 4;
    s.frontiers[0] = (struct revoke_frontier){ .instance = 3, .seq = 10 };
    s.frontiers[1] = (struct revoke_frontier){ .instance = 9, .seq = 1 };
    memset(s.signature, 7, sizeof(s.signature));
    return s;
}

static void comes_back_and_refuses_cuts(void **state)
{
    struct revoke_statement s = sample(), d;
    uint8_t bytes[REVOKE_SIZE_MAX + 1];
    size_t size;

    assert_int_equal(revoke_encode(&s, bytes, &size), 0);
    assert_int_equal(revoke_decode(bytes, size, &d), 0);
    assert_memory_equal(&d, &s, sizeof(s));
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(revoke_decode(bytes, cut, &d), -EBADMSG);
    bytes[size] = 0;
    assert_int_equal(revoke_decode(bytes, size + 1, &d), -EBADMSG);
}

static void flipped_bits_are_canonical_or_refused(void **state)
{
    struct revoke_statement s = sample(), d;
    uint8_t bytes[REVOKE_SIZE_MAX], again[REVOKE_SIZE_MAX];
    size_t size, size_again;

    assert_int_equal(revoke_encode(&s, bytes, &size), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (revoke_decode(bytes, size, &d) == 0) {
            assert_int_equal(revoke_encode(&d, again, &size_again), 0);
            assert_int_equal(size, size_again);
            assert_memory_equal(bytes, again, size);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void largest_statement_fits(void **state)
{
    struct revoke_statement s = sample();
    uint8_t bytes[REVOKE_SIZE_MAX], message[REVOKE_MESSAGE_MAX];
    struct digest org = { { 0x0f } };
    size_t size;

    s.reason_size = REVOKE_REASON_MAX;
    s.frontier_count = REVOKE_FRONTIERS_MAX;
    for (uint64_t i = 0; i < REVOKE_FRONTIERS_MAX; i++)
        s.frontiers[i] = (struct revoke_frontier){ .instance = i, .seq = UINT64_MAX };
    assert_int_equal(revoke_encode(&s, bytes, &size), 0);
    assert_int_equal(revoke_message(&s, &org, message, &size), 0);
    assert_memory_equal(message, "broch revocation 1", 19); /* the zero byte as well */
    assert_memory_equal(message + 19, org.bytes, DIGEST_SIZE);
    assert_memory_equal(message + 19 + DIGEST_SIZE, bytes, size - 19 - DIGEST_SIZE);
    s.frontiers[3].seq = 0;
    assert_int_equal(revoke_encode(&s, bytes, &size), -EINVAL);
    assert_int_equal(revoke_message(&s, &org, message, &size), -EINVAL);
}

static void more_than_fits_is_refused(void **state)
{
    static const uint8_t zeros[REVOKE_SIZE_MAX + 1];
    struct revoke_statement s = sample();
    uint8_t bytes[REVOKE_SIZE_MAX];
    size_t size;

    s.reason_size = REVOKE_REASON_MAX + 1;
    assert_int_equal(revoke_encode(&s, bytes, &size), -EINVAL);
    s = sample();
    s.frontier_count = REVOKE_FRONTIERS_MAX + 1;
    assert_int_equal(revoke_encode(&s, bytes, &size), -EINVAL);
    assert_int_equal(revoke_decode(zeros, sizeof(zeros), &s), -EBADMSG);
}

/* Each field on its own makes another statement; the signature does not. */
static void statements_are_told_apart(void **state)
{
    struct revoke_statement statements[11];
    struct revoke_set *set;

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
        statements[i] = sample();
    statements[1].role = REVOKE_NODE;
    statements[2].stamp++;
    statements[3].reason_size--;
    statements[4].frontier_count--;
    statements[5].revoker[31]++;
    statements[6].subject[31]++;
    statements[7].reason[3]++;
    statements[8].frontiers[0].instance--;
    statements[9].frontiers[1].seq++;
    statements[10].frontiers[1].hash.bytes[DIGEST_SIZE - 1]++;
    assert_int_equal(revoke_set_new(ARRAY_SIZE(statements), &set), 0);
    for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
        assert_int_equal(revoke_set_add(set, &statements[i]), 1);
    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        statements[i].signature[0]++;
        assert_int_equal(revoke_set_add(set, &statements[i]), 0);
    }
    (void)revoke_set_free(set);
}

static void the_lowest_frontier_holds(void **state)
{
    struct revoke_statement s = sample();
    struct revoke_set *set;

    assert_int_equal(revoke_set_new(3, &set), 0);
    assert_true(revoke_set_frontier(set, s.subject, 3) == UINT64_MAX);
    assert_int_equal(revoke_set_add(set, &s), 1);
    memset(s.signature, 8, sizeof(s.signature));
    assert_int_equal(revoke_set_add(set, &s), 0); /* signed again: the same statement */
    assert_true(revoke_set_frontier(set, s.subject, 3) == 10);
    assert_true(revoke_set_frontier(set, s.subject, 9) == 1);
    assert_true(revoke_set_frontier(set, s.subject, 4) == 0);
    s.frontiers[0].seq = 12;
    s.frontier_count = 1;
    assert_int_equal(revoke_set_add(set, &s), 1);
    assert_true(revoke_set_frontier(set, s.subject, 3) == 10);
    assert_true(revoke_set_frontier(set, s.subject, 9) == 0);
    s.role = REVOKE_NODE;
    assert_false(revoke_set_covers(set, REVOKE_NODE, s.subject));
    assert_int_equal(revoke_set_add(set, &s), 1);
    assert_true(revoke_set_covers(set, REVOKE_NODE, s.subject));
    s.stamp++;
    assert_int_equal(revoke_set_add(set, &s), -ENOSPC);
    assert_int_equal(revoke_set_count(set), 3);
    (void)revoke_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_and_refuses_cuts),
        cmocka_unit_test(flipped_bits_are_canonical_or_refused),
        cmocka_unit_test(largest_statement_fits),
        cmocka_unit_test(more_than_fits_is_refused),
        cmocka_unit_test(statements_are_told_apart),
        cmocka_unit_test(the_lowest_frontier_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
