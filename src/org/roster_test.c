#include "org/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static const uint8_t salt[SIPHASH_KEY_SIZE] = { 1, 2, 3 };

static struct roster *make(uint16_t capacity)
{
    void *memory = malloc(roster_size(capacity));

    assert_non_null(memory);
    return roster_init(memory, capacity, salt);
}

static struct roster *make_filled(uint16_t count, uint64_t seed)
{
    struct roster *r = make(count);
    uint16_t slot;

    for (uint16_t i = 0; i < count; i++)
        assert_int_equal(roster_add(r, rng_mix(seed + i), &slot), 0);
    roster_seal(r);
    return r;
}

static void test_add_find_remove(void **state)
{
    struct roster *r = make(3);
    uint16_t slot = 99;

    assert_int_equal(roster_add(r, 0, &slot), -EINVAL);
    assert_int_equal(roster_add(r, 30, &slot), 0);
    assert_int_equal(slot, 0);
    assert_int_equal(roster_add(r, 10, &slot), 0);
    assert_int_equal(roster_add(r, 10, &slot), -EEXIST);
    assert_int_equal(roster_add(r, 20, &slot), 0);
    assert_int_equal(slot, 2);
    assert_int_equal(roster_add(r, 40, &slot), -ENOSPC);
    assert_int_equal(slot, 2);
    assert_int_equal(roster_find(r, 10), 1);
    assert_int_equal(roster_find(r, 20), 2);
    assert_int_equal(roster_find(r, 25), ROSTER_NONE);
    assert_int_equal(roster_remove(r, 1), 0);
    assert_int_equal(roster_remove(r, 1), -ENOENT);
    assert_int_equal(roster_remove(r, 3), -ENOENT);
    assert_int_equal(roster_find(r, 10), ROSTER_NONE);
    assert_null(roster_member(r, 1));
    assert_null(roster_member(r, 3));
    assert_int_equal(roster_count(r), 2);
    assert_int_equal(roster_add(r, 50, &slot), 0);
    assert_int_equal(slot, 1); /* the freed slot */
    assert_int_equal(roster_find(r, 50), 1);
    assert_int_equal(roster_capacity(r), 3);
    free(r);
}

static void check_overlay(const struct roster *r)
{
    for (uint16_t slot = 0; slot < roster_capacity(r); slot++) {
        const struct roster_member *m = roster_member(r, slot);

        for (uint8_t i = 0; m && i < m->observer_count; i++) {
            assert_int_not_equal(m->observers[i], slot);
            assert_true(roster_adjacent(r, m->observers[i], slot));
            for (uint8_t j = 0; j < i; j++)
                assert_int_not_equal(m->observers[i], m->observers[j]);
        }
    }
}

static void test_small_orgs_observe_each_other(void **state)
{
    for (uint16_t count = 1; count <= ROSTER_OBSERVERS_MAX + 1; count++) {
        struct roster *r = make_filled(count, count);

        for (uint16_t slot = 0; slot < count; slot++)
            assert_int_equal(roster_member(r, slot)->observer_count, count - 1);
        check_overlay(r);
        free(r);
    }
}

/* Ten observers each, but for a few members of small orgs and one odd member of any. */
static void test_ten_observers(void **state)
{
    static const uint16_t counts[] = { 12, 13, 20, 32, 100, 1000, 10000 };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        for (uint64_t seed = 1; seed <= (counts[i] > 100 ? 1 : 30); seed++) {
            struct roster *r = make_filled(counts[i], seed * 1000003);
            unsigned int missing = 0;

            for (uint16_t slot = 0; slot < counts[i]; slot++) {
                uint8_t count = roster_member(r, slot)->observer_count;

                assert_in_range(count, 7, ROSTER_OBSERVERS_MAX);
                missing += (unsigned int)ROSTER_OBSERVERS_MAX - count;
            }
            assert_true(missing <= 8);
            check_overlay(r);
            free(r);
        }
    }
}

/* Everybody reaches everybody over observer edges, in few hops. */
static void test_overlay_is_connected(void **state)
{
    struct roster *r = make_filled(1000, 5);
    uint8_t distance[1000];
    uint16_t queue[1000], head = 0, tail = 0;

    memset(distance, 0xff, sizeof(distance));
    distance[0] = 0;
    queue[tail++] = 0;
    while (head < tail) {
        const struct roster_member *m = roster_member(r, queue[head]);

        for (uint8_t i = 0; i < m->observer_count; i++) {
            if (distance[m->observers[i]] == 0xff) {
                distance[m->observers[i]] = (uint8_t)(distance[queue[head]] + 1);
                queue[tail++] = m->observers[i];
            }
        }
        head++;
    }
    assert_int_equal(tail, 1000);
    assert_in_range(distance[queue[999]], 3, 6);
    free(r);
}

static bool same_observers(const struct roster *a, uint16_t slot, const struct roster *b)
{
    const struct roster_member *m = roster_member(a, slot);
    uint16_t other = roster_find(b, m->id);

    if (roster_member(b, other)->observer_count != m->observer_count)
        return false;
    for (uint8_t i = 0; i < m->observer_count; i++) {
        uint64_t id = roster_member(a, m->observers[i])->id;

        if (!roster_adjacent(b, other, roster_find(b, id)))
            return false;
    }
    return true;
}

/* Order of arrival, former members and slots leave no mark. */
static void test_overlay_depends_on_ids_alone(void **state)
{
    struct roster *a = make(200), *b = make(200), *copy = make(200);
    uint16_t slot;

    for (uint64_t i = 1; i <= 150; i++)
        assert_int_equal(roster_add(a, i * 977, &slot), 0);
    for (uint64_t i = 200; i > 0; i--)
        assert_int_equal(roster_add(b, i * 977, &slot), 0);
    roster_seal(b);
    for (uint64_t i = 151; i <= 200; i++)
        assert_int_equal(roster_remove(b, roster_find(b, i * 977)), 0);
    roster_seal(a);
    roster_seal(b);
    roster_copy(copy, b);
    for (uint64_t i = 1; i <= 150; i++) {
        assert_true(same_observers(a, roster_find(a, i * 977), b));
        assert_true(same_observers(b, roster_find(b, i * 977), copy));
    }
    free(a);
    free(b);
    free(copy);
}

/* A join moves few edges: an org does not shake when a node comes. */
static void test_join_changes_little(void **state)
{
    struct roster *r = make(501), *former = make(501);
    unsigned int changed = 0;
    uint16_t slot;

    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(roster_add(r, rng_mix(i), &slot), 0);
    roster_seal(r);
    roster_copy(former, r);
    assert_int_equal(roster_add(r, rng_mix(500), &slot), 0);
    roster_seal(r);
    for (uint16_t i = 0; i < 500; i++)
        changed += !same_observers(former, i, r);
    assert_in_range(changed, 5, 60);
    free(r);
    free(former);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_find_remove),
        cmocka_unit_test(test_small_orgs_observe_each_other),
        cmocka_unit_test(test_ten_observers),
        cmocka_unit_test(test_overlay_is_connected),
        cmocka_unit_test(test_overlay_depends_on_ids_alone),
        cmocka_unit_test(test_join_changes_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
