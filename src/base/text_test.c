#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_heap.h"

static void test_add(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    assert_string_equal(text_string(&t), "");
    assert_int_equal(text_status(&t), 0);
    text_add(&t, "ab");
    text_add_bytes(&t, "c\0d", 3);
    text_add_bytes(&t, NULL, 0);
    text_addf(&t, "%s%d", "e", 5);
    assert_int_equal(text_status(&t), 0);
    assert_int_equal(t.length, 7);
    assert_memory_equal(text_string(&t), "abc\0de5", 8);
    text_clear(&t);
    assert_string_equal(text_string(&t), "");
    assert_int_equal(t.length, 0);
    text_add(&t, "x");
    assert_string_equal(text_string(&t), "x");
    text_done(&t);
    assert_string_equal(text_string(&t), "");
    text_clear(&t); /* an empty one, too */
    text_add(&t, "again");
    assert_string_equal(text_string(&t), "again");
}

/* One byte at a time or all at once: the same text, always terminated. */
static void test_growth(void **state)
{
    _cleanup_text_ struct text one = TEXT_INIT, all = TEXT_INIT;
    char bytes[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)('a' + i % 26);
        text_add_bytes(&one, &bytes[i], 1);
        assert_int_equal(one.length, i + 1);
        assert_int_equal(one.data[i + 1], '\0');
        assert_true(one.capacity > one.length);
    }
    text_add_bytes(&all, bytes, sizeof(bytes));
    assert_int_equal(all.length, one.length);
    assert_string_equal(text_string(&all), text_string(&one));
}

static void test_formats_of_each_length(void **state)
{
    (void)state;
    for (int width = 0; width < 200; width++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        text_addf(&t, "%*s", width, "");
        assert_int_equal(t.length, width);
        assert_int_equal(strlen(text_string(&t)), (size_t)width);
    }
}

static void test_take(void **state)
{
    struct text t = TEXT_INIT;
    _cleanup_free_ char *empty = text_take(&t), *full = NULL, *made = NULL;

    (void)state;
    assert_string_equal(empty, "");
    text_add(&t, "abc");
    full = text_take(&t);
    assert_string_equal(full, "abc");
    assert_null(t.data);
    assert_int_equal(t.length, 0);
    made = text_make("%s-%u", "x", 7u);
    assert_string_equal(made, "x-7");
}

static void test_too_long(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    text_add(&t, "abc");
    text_add_bytes(&t, "x", SIZE_MAX / 2); /* refused before a byte is read */
    assert_int_equal(text_status(&t), -ENOMEM);
    assert_string_equal(text_string(&t), "abc");
}

static void test_out_of_memory(void **state)
{
    struct text t = TEXT_INIT;

    (void)state;
    test_heap_fail_at(1);
    text_add(&t, "abc");
    assert_true(test_heap_has_failed());
    assert_int_equal(text_status(&t), -ENOMEM);
    text_add(&t, "abc"); /* memory is back, but the text has a hole: it stays failed */
    text_addf(&t, "%d", 1);
    assert_int_equal(text_status(&t), -ENOMEM);
    assert_string_equal(text_string(&t), "");
    assert_null(text_take(&t));
    text_add(&t, "abc"); /* taken, so it starts anew */
    assert_int_equal(text_status(&t), 0);
    test_heap_fail_at(1);
    for (int i = 0; i < 100; i++)
        text_add(&t, "0123456789");
    assert_int_equal(text_status(&t), -ENOMEM);
    text_clear(&t);
    assert_int_equal(text_status(&t), 0);
    text_done(&t);
    test_heap_fail_at(1);
    assert_null(text_make("%d", 1));
    test_heap_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_formats_of_each_length),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
