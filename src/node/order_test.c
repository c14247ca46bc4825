#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/order.h"

static int parse(const char *text, struct order *order, struct failure *f)
{
    return order_parse(text, strlen(text), order, f);
}

static void test_names_in_their_order(void **state)
{
    struct failure f = FAILURE_NONE;
    struct order order;

    assert_int_equal(parse("# first\nwatchdog\n\nready 1500\n", &order, &f), 0);
    assert_int_equal(order.count, 2);
    assert_int_equal(order.stop_ms[0], ORDER_STOP_MS_DEFAULT);
    assert_int_equal(order.stop_ms[1], 1500);
    assert_string_equal(order.names[0], "watchdog");
    assert_string_equal(order.names[1], "ready");
}

static void test_empty(void **state)
{
    struct failure f = FAILURE_NONE;
    struct order order;

    assert_int_equal(parse("", &order, &f), 0);
    assert_int_equal(order.count, 0);
    assert_int_equal(parse("# nothing\n\n", &order, &f), 0);
    assert_int_equal(order.count, 0);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        { "a\nb", "line 2: no newline" },
        { "a\n../b\n", "line 2: bad service name '../b'" },
        { "a b\n", "line 1: bad service name" },
        { "a 1 2\n", "line 1: bad service name" },
        { "a 600001\n", "line 1: bad service name" },
        { "a \n", "line 1: bad service name" },
        { " a\n", "line 1: bad service name" },
        { "a\r\n", "line 1: bad service name" },
        { "a\nb\na\n", "line 3: service 'a' is listed twice" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct order order;

        assert_int_equal(parse(cases[i].text, &order, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SERVICE_ORDER);
        assert_non_null(strstr(f.text, cases[i].said));
    }
}

static void test_limit(void **state)
{
    char text[ORDER_FILE_SIZE_MAX];
    struct failure f = FAILURE_NONE;
    struct order order;
    size_t length = 0;

    for (int i = 0; i < ORDER_SERVICES_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "service-%d\n", i);
    assert_int_equal(order_parse(text, length, &order, &f), 0);
    assert_int_equal(order.count, ORDER_SERVICES_MAX);
    length += (size_t)snprintf(text + length, sizeof(text) - length, "one-more\n");
    assert_int_equal(order_parse(text, length, &order, &f), -ERANGE);
}

static void test_missing_file(void **state)
{
    struct failure f = FAILURE_NONE;
    struct order order;

    assert_int_equal(order_read("/nonexistent/order", &order, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_in_their_order),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_missing_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
