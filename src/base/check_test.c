#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/test_death.h"

static void fail_a_check(void)
{
    CHECK(1 + 1 == 3);
}

static void pass_a_check(void)
{
    CHECK(1 + 1 == 2);
}

static void speak(void)
{
    static const char word[] = "hook\n";

    (void)!write(STDERR_FILENO, word, sizeof(word) - 1); /* the reader sees if it is missing */
}

static void fail_with_hook(void)
{
    (void)check_set_hook(speak);
    fail_a_check();
}

static void test_failing(void **state)
{
    char message[512];

    (void)state;
    assert_true(test_death_by_abort(fail_a_check, message, sizeof(message)));
    assert_non_null(strstr(message, "broch: internal error: check '1 + 1 == 3' failed at "));
    assert_non_null(strstr(message, "check_test.c:"));
    assert_int_equal(message[strlen(message) - 1], '\n');
}

static void test_passing(void **state)
{
    char message[512];

    (void)state;
    assert_false(test_death_by_abort(pass_a_check, message, sizeof(message)));
    assert_string_equal(message, "");
}

/* A hook that returns against its contract does not let the program go on. */
static void test_hook(void **state)
{
    char message[512];

    (void)state;
    assert_true(test_death_by_abort(fail_with_hook, message, sizeof(message)));
    assert_non_null(strstr(message, "check '1 + 1 == 3'"));
    assert_non_null(strstr(message, "\nhook\n"));
}

static void test_set_hook(void **state)
{
    (void)state;
    assert_null(check_set_hook(speak));
    assert_ptr_equal(check_set_hook(NULL), speak);
    assert_null(check_set_hook(NULL));
}

static void test_evaluated_once(void **state)
{
    int count = 0;

    (void)state;
    CHECK(++count == 1);
    assert_int_equal(count, 1);
    assert_int_equal(ARRAY_SIZE(((int[]){ 1, 2, 3 })), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing),        cmocka_unit_test(test_passing),
        cmocka_unit_test(test_hook),           cmocka_unit_test(test_set_hook),
        cmocka_unit_test(test_evaluated_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
