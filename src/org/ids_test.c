#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
        cmocka_unit_test(places_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
