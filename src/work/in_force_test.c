/* The text of the kernel; a whole machine is asked in tests/vm/confine_test.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "work/in_force.h"

static const char good[] = "Name:\tchronyd\nUid:\t101\t101\t101\t101\nCapInh:\t0000000000000000\n"
                           "CapEff:\t0000000002000000\nCapBnd:\t000001ffffffffff\n"
                           "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

static void test_status(void **state)
{
    struct in_force in;

    (void)state;
    assert_int_equal(in_force_parse_status(good, &in), 0);
    assert_int_equal(in.uid, 101);
    assert_int_equal(in.capabilities, 1 << 25);
    assert_true(in.bounding == UINT64_C(0x1ffffffffff));
    assert_true(in.no_new_privileges);
    assert_int_equal(in.filters, 3);
}

/* Any field that is missing makes the whole unknown: nothing is ever assumed to hold. */
static void test_missing(void **state)
{
    static const char *const keys[] = { "Uid", "CapEff", "CapBnd", "NoNewPrivs",
                                        "Seccomp_filters" };
    struct in_force in;
    char text[sizeof(good)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        memcpy(text, good, sizeof(good));
        *strstr(text, keys[i]) = '_';
        assert_int_equal(in_force_parse_status(text, &in), -EBADMSG);
    }
    assert_int_equal(in_force_parse_status("", &in), -EBADMSG);
    assert_int_equal(in_force_parse_status("CapEff:\tzz", &in), -EBADMSG);
}

static void test_capabilities(void **state)
{
    static const struct {
        uint64_t set;
        const char *text;
    } cases[] = { { 0, "none" },
                  { UINT64_C(0x1ffffffffff), "all" },
                  { 1 << 13 | 1, "chown net_raw" },
                  { UINT64_C(1) << 63, "?" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        in_force_add_capabilities(cases[i].set, &t);
        assert_string_equal(text_string(&t), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_capabilities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
