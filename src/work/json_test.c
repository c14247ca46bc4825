#include "work/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

static void test_write(void **state)
{
    struct json_object *object = json_object_new_object(), *inner, *list;
    _cleanup_text_ struct text t = TEXT_INIT;
    bool whole =
        json_put_text(object, "text", "a/\"b\"") && json_put_number(object, "number", UINT64_MAX) &&
        json_put_flag(object, "flag", true) && json_put(object, "nothing", NULL) &&
        (inner = json_put_object(object, "inner")) && json_put_number(inner, "x", 1) &&
        (list = json_put_list(object, "list")) && json_append(list, json_object_new_string("one"));

    assert_true(whole);
    json_finish(object, whole, &t);
    assert_string_equal(text_string(&t),
                        "{\"text\":\"a/\\\"b\\\"\",\"number\":18446744073709551615,"
                        "\"flag\":true,\"nothing\":null,\"inner\":{\"x\":1},\"list\":[\"one\"]}");
}

static void test_incomplete(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    json_finish(json_object_new_object(), false, &t);
    assert_true(text_status(&t) < 0);
}

static void test_read(void **state)
{
    static const char text[] = "{\"t\":\"x\",\"n\":18446744073709551615,\"m\":-1,\"f\":false}";
    struct json_object *object = json_parse(text, strlen(text));
    const char *string;
    uint64_t number;
    bool flag;

    assert_non_null(object);
    assert_true(json_get_text(object, "t", &string));
    assert_string_equal(string, "x");
    assert_true(json_get_number(object, "n", &number) && number == UINT64_MAX);
    assert_false(json_get_number(object, "m", &number)); /* below zero */
    assert_true(json_get_flag(object, "f", &flag) && !flag);
    assert_false(json_get_text(object, "n", &string));
    assert_false(json_get_number(object, "t", &number));
    assert_false(json_get_flag(object, "t", &flag));
    assert_false(json_get_text(object, "absent", &string));
    json_object_put(object);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "7", "null", "{} x", "{\"a\":1,}", "nonsense"
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(json_parse(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
