#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/service.h"

static void test_good_lines(void **state)
{
    static const struct {
        const char *line;
        enum service_state state;
        uint64_t pid;
        uint64_t since_s;
    } cases[] = {
        { "true true 157 2\n", SERVICE_READY, 157, 2 },
        { "true false 9 0\n", SERVICE_UP, 9, 0 },
        { "false false -1 86400\n", SERVICE_DOWN, 0, 86400 },
        /* A stopped service may have been ready before; only what runs can be. */
        { "false true -1 3\n", SERVICE_DOWN, 0, 3 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service service = { .name = "kept" };

        assert_int_equal(service_parse(cases[i].line, strlen(cases[i].line), &service), 0);
        assert_int_equal(service.state, cases[i].state);
        assert_int_equal(service.pid, cases[i].pid);
        assert_int_equal(service.since_s, cases[i].since_s);
        assert_string_equal(service.name, "kept");
    }
}

static void test_bad_lines(void **state)
{
    static const char *const cases[] = {
        "",
        "\n",
        "true true 157 2",
        "true true 157\n",
        "true true 157 2 3\n",
        "true  true 157 2\n",
        "True true 157 2\n",
        "true yes 157 2\n",
        "true true -2 2\n",
        "true true 0157 2\n",
        "true true 99999999999 2\n",
        "true true 157 -2\n",
        "true true 157 2\n\n",
        "true true 157 2\nmore\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service service = { .state = SERVICE_UNKNOWN, .pid = 7 };

        assert_int_equal(service_parse(cases[i], strlen(cases[i]), &service), -EBADMSG);
        assert_int_equal(service.state, SERVICE_UNKNOWN);
        assert_int_equal(service.pid, 7);
    }
}

static void test_names(void **state)
{
    assert_string_equal(service_state_name(SERVICE_UNKNOWN), "unknown");
    assert_string_equal(service_state_name(SERVICE_READY), "ready");
}

static void test_nobody_to_ask(void **state)
{
    struct service service;

    service_read("/nonexistent", "watchdog", &service);
    assert_string_equal(service.name, "watchdog");
    assert_int_equal(service.state, SERVICE_UNKNOWN);
    assert_int_equal(service.pid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nobody_to_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
