#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/number.h"
#include "node/core_dump.h"

static void test_good(void **state)
{
    static const char *const arguments[] = { "12",         "70001", "70001",  "11",
                                             "1760000000", "1",     "chronyd" };
    struct failure f = FAILURE_NONE;
    struct core_dump dump;

    (void)state;
    assert_int_equal(core_dump_parse(arguments, &dump, &f), 0);
    assert_int_equal(dump.pid, 12);
    assert_int_equal(dump.signal, 11);
    assert_true(dump.allowed);
    assert_string_equal(dump.program, "chronyd");
    assert_string_equal(dump.file, "1760000000-chronyd-12.core");
}

static void test_rights_changed(void **state)
{
    static const char *const values[] = { "0", "2" };
    const char *arguments[] = { "12", "0", "0", "11", "1760000000", "", "su" };
    struct failure f = FAILURE_NONE;
    struct core_dump dump;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        arguments[5] = values[i];
        assert_int_equal(core_dump_parse(arguments, &dump, &f), 0);
        assert_false(dump.allowed);
    }
}

static void test_names(void **state)
{
    static const char *const cases[][2] = {
        { "../../etc/x", "_._.._etc_x" },
        { "a b\n", "a_b_" },
        { "", "" },
        { ".hidden", "_hidden" },
    };
    const char *arguments[] = { "1", "0", "0", "6", "5", "1", "" };
    struct failure f = FAILURE_NONE;
    struct core_dump dump;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        arguments[6] = cases[i][0];
        assert_int_equal(core_dump_parse(arguments, &dump, &f), 0);
        assert_string_equal(dump.program, cases[i][1]);
        assert_null(strchr(dump.file, '/'));
        assert_int_not_equal(dump.file[0], '.');
    }
}

static void test_bad(void **state)
{
    const char *arguments[] = { "1", "2", "3", "4", "5", "1", "x" };
    struct failure f = FAILURE_NONE;
    struct core_dump dump;

    (void)state;
    for (size_t i = 0; i + 1 < ARRAY_SIZE(arguments); i++) {
        const char *former = arguments[i];

        arguments[i] = "-1";
        assert_int_equal(core_dump_parse(arguments, &dump, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_CORE);
        arguments[i] = former;
    }
}

static void test_limit(void **state)
{
    (void)state;
    assert_int_equal(core_dump_limit(0), 0);
    assert_int_equal(core_dump_limit(256 * MIB), 8 * MIB);
    assert_int_equal(core_dump_limit(1024 * GIB), 64 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),  cmocka_unit_test(test_rights_changed),
        cmocka_unit_test(test_names), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
