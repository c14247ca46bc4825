#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/attempts.h"

static void test_no_efi(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(attempts_clear("/nonexistent/efivars", &f), 0);
    assert_int_equal(f.cause, 0);
}

/* Without efivarfs on it the folder is just a folder: success would be a lie. */
static void test_not_mounted(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(attempts_clear("/", &f), -ENODEV);
    assert_int_equal(f.code, CODE_ATTEMPTS);
    assert_non_null(strstr(f.text, "efivarfs is not mounted on '/'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_efi),
        cmocka_unit_test(test_not_mounted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
