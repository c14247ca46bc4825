#include "trust/version.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_valid(void **state)
{
    struct version version;

    (void)state;
    assert_int_equal(version_parse("0.1.0", 5, &version), 0);
    assert_int_equal(version.numbers[0], 0);
    assert_int_equal(version.numbers[1], 1);
    assert_int_equal(version.numbers[2], 0);
    assert_int_equal(version_parse("1.20.999999", 11, &version), 0);
    assert_int_equal(version.numbers[1], 20);
    assert_int_equal(version.numbers[2], 999999);
    assert_int_equal(version_parse_name("v3.2.1", &version), 0);
    assert_int_equal(version.numbers[0], 3);
}

static void test_invalid(void **state)
{
    static const char *const texts[] = {
        "",        "1",      "1.2",         "1.2.",   "1.2.3.",
        "1.2.3.4", ".1.2",   "1..2",        "01.2.3", "1.02.3",
        "-1.2.3",  "+1.2.3", "1.2.3-rc1",   "1.2.3 ", " 1.2.3",
        "1.2.x",   "v1.2.3", "1.2.1000000", "1,2,3",  "99999999999999999999.1.1",
    };
    struct version version = { .numbers = { 7, 7, 7 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(version_parse(texts[i], strlen(texts[i]), &version), -EBADMSG);
        assert_int_equal(version.numbers[0], 7);
    }
    assert_int_equal(version_parse("1.2.3\0", 6, &version), -EBADMSG);
    assert_int_equal(version_parse_name("1.2.3", &version), -EBADMSG);
    assert_int_equal(version_parse_name("", &version), -EBADMSG);
    assert_int_equal(version_parse_name("vv1.2.3", &version), -EBADMSG);
    assert_int_equal(version_parse_name("v1.2.3-node", &version), -EBADMSG);
}

/* A list in order: each is newer than all before it. */
static void test_order(void **state)
{
    static const char *const texts[] = { "0.0.0",  "0.0.1", "0.0.10", "0.1.0", "0.1.9", "0.9.0",
                                         "0.10.0", "1.0.0", "1.0.2",  "2.0.0", "10.0.0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            struct version a, b;
            int order;

            assert_int_equal(version_parse(texts[i], strlen(texts[i]), &a), 0);
            assert_int_equal(version_parse(texts[j], strlen(texts[j]), &b), 0);
            order = version_compare(&a, &b);
            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
