#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "image/diff_list.h"

static void add(struct diff_list *l, const char *name, const char *value)
{
    assert_int_equal(diff_list_add(l, name, strlen(name), value, strlen(value), NULL), 0);
}

static void test_sorted(void **state)
{
    _cleanup_diff_list_ struct diff_list l = DIFF_LIST_INIT;

    add(&l, "panic", "5");
    add(&l, "console", "tty0");
    add(&l, "console", "ttyS0");
    add(&l, "console", "tty0");
    add(&l, "gpt", "");
    diff_list_sort(&l);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.entries[0].name, "console");
    assert_string_equal(l.entries[0].value, "tty0 ttyS0");
    assert_string_equal(l.entries[1].name, "gpt");
    assert_string_equal(l.entries[2].value, "5");
}

static void test_parts_and_sums(void **state)
{
    _cleanup_diff_list_ struct diff_list l = DIFF_LIST_INIT;
    const struct digest sum = digest_bytes("x", 1);

    assert_int_equal(diff_list_add(&l, "panic=5", 5, "5 oops", 1, &sum), 0);
    assert_string_equal(l.entries[0].name, "panic");
    assert_string_equal(l.entries[0].value, "5");
    assert_int_equal(strlen(l.entries[0].sum), 64);
}

static void test_many(void **state)
{
    _cleanup_diff_list_ struct diff_list l = DIFF_LIST_INIT;
    char name[3] = "";

    for (int i = 0; i < 2500; i++) {
        name[0] = (char)('a' + i % 26);
        name[1] = (char)('a' + i / 26 % 26);
        add(&l, name, "1");
    }
    diff_list_sort(&l);
    assert_int_equal(l.count, 26 * 26);
    for (size_t i = 1; i < l.count; i++)
        assert_true(strcmp(l.entries[i - 1].name, l.entries[i].name) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted),
        cmocka_unit_test(test_parts_and_sums),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
