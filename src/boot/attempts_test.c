#include "boot/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_start(void **unused)
{
    unsigned next = 99;

    (void)unused;
    assert_true(attempts_start(0, &next));
    assert_int_equal(next, 1);
    assert_true(attempts_start(1, &next));
    assert_int_equal(next, 2);
    for (unsigned found = 2; found <= 255; found++)
        assert_false(attempts_start(found, &next));
    assert_int_equal(next, 2);
}

static void test_ending(void **unused)
{
    (void)unused;
    for (unsigned current = 0; current <= 255; current++) {
        assert_int_equal(attempts_after_failure(&(struct attempts){ false, current }),
                         ATTEMPTS_HALT);
        assert_int_equal(attempts_after_failure(&(struct attempts){ true, current }),
                         current < 2 ? ATTEMPTS_REBOOT : ATTEMPTS_HALT);
    }
}

/* However starts end, the machine never restarts by itself more than twice without a verdict. */
static void test_no_loop(void **unused)
{
    (void)unused;
    for (unsigned endings = 0; endings < 1u << 8; endings++) {
        unsigned count = 0, starts = 0, next;

        /* Bit i: start i fails in stage 1; else it is reset later without a verdict. */
        while (attempts_start(count, &next)) {
            bool fails = endings >> starts & 1;

            count = next;
            starts++;
            if (fails && attempts_after_failure(&(struct attempts){ true, count }) == ATTEMPTS_HALT)
                break;
        }
        assert_int_equal(starts, ATTEMPTS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_ending),
        cmocka_unit_test(test_no_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
