#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/ids.h"
#include "org/org_test.h"

static void every_length_is_sorted(void **state)
{
    uint64_t seed = 6;

    for (size_t count = 0; count < 200; count++) {
        uint64_t ids[200], sum = 0, again = 0;

        for (size_t i = 0; i < count; i++)
            sum += ids[i] = count % 2 ? test_random(&seed) : test_random(&seed) % 7;
        ids_sort(ids, count);
        for (size_t i = 0; i < count; i++) {
            again += ids[i];
            assert_true(i == 0 || ids[i - 1] <= ids[i]);
        }
        assert_true(sum == again);
    }
}

/* Chosen places hold what they would hold if all were sorted; numbers of every kind of likeness. */
static void chosen_places_are_as_if_sorted(void **state)
{
    static uint64_t ids[3000], sorted[3000];
    uint64_t seed = 8;

    for (unsigned round = 0; round < 300; round++) {
        size_t count = 1 + test_random(&seed) % 3000, rank_count = 0;
        uint32_t ranks[3000];
        unsigned likeness = (unsigned)(test_random(&seed) % 4);

        for (size_t i = 0; i < count; i++) {
            ids[i] = test_random(&seed) >> (likeness * 16);
            ids[i] |= likeness == 2 ? 1ull << 63 : 0;
            sorted[i] = ids[i];
        }
        ids_sort(sorted, count);
        for (uint32_t i = 0; i < count; i++) {
            if (test_random(&seed) % count < 40 + round)
                ranks[rank_count++] = i;
        }
        ids_select(ids, count, ranks, rank_count);
        for (size_t i = 0; i < rank_count; i++)
            assert_true(ids[ranks[i]] == sorted[ranks[i]]);
        ids_sort(ids, count); /* nothing was lost */
        assert_memory_equal(ids, sorted, count * sizeof(ids[0]));
    }
}

static void places_are_found(void **state)
{
    static const uint64_t ids[] = { 2, 4, 4, 9 };

    assert_int_equal(ids_place(ids, 4, 0), 0);
    assert_int_equal(ids_place(ids, 4, 4), 1);
    assert_int_equal(ids_place(ids, 4, 5), 3);
    assert_int_equal(ids_place(ids, 4, 10), 4);
    assert_true(ids_contain(ids, 4, 9));
    assert_false(ids_contain(ids, 4, 8));
    assert_false(ids_contain(ids, 4, 10));
    assert_false(ids_contain(NULL, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_sorted),
        cmocka_unit_test(chosen_places_are_as_if_sorted),
        cmocka_unit_test(places_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
