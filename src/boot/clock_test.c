#include "boot/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_units(void **unused)
{
    uint64_t before_ns = clock_ns(), us = clock_us(), after_ns = clock_ns();

    (void)unused;
    assert_true(before_ns / 1000 <= us && us <= after_ns / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
