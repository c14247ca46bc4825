/* The hardware watchdog: it restarts a machine whose feeder stands still, and leaves one alone
 * whose feeder runs. Both machines live through the same minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "fixture.h"

enum { WATCHDOG_S = 60 }; /* the watchdog service's --timeout */

struct pair {
    void *held; /* a struct place each */
    void *fed;
};

static int pair_setup(void **state)
{
    static struct pair pair;

    *state = &pair;
    return place_setup(&pair.held) == 0 && place_setup(&pair.fed) == 0 ? 0 : -1;
}

static int pair_teardown(void **state)
{
    struct pair *pair = *state;
    int r = place_teardown(&pair->held);

    return place_teardown(&pair->fed) == 0 ? r : -1;
}

/* Through the firmware: a directly started kernel has no time for the watchdog's modules. With
 * Secure Boot and a TPM, so that the disk opens by itself after the restart. */
static void boot(struct place *place)
{
    start(place);
    (void)expect_ready(place);
    login(place);
}

/* Holds the feeder as a hung machine would: it is there, the device stays open, nobody pets it. */
static void hold_feeder(struct place *place)
{
    _cleanup_free_ char *output =
        as_root(place, "pid=$(s6-svstat -o pid /run/service/watchdog); kill -STOP $pid; "
                       "cat /proc/$pid/status; cat /sys/class/watchdog/watchdog0/state");

    assert_non_null(strstr(output, "T (stopped)"));
    assert_non_null(strstr(output, "active")); /* there is a device, and it is armed */
}

static uint64_t uptime_s(struct place *place)
{
    _cleanup_free_ char *output = run_inside(place, "cut -d. -f1 /proc/uptime");
    const char *digits = output + strcspn(output, "0123456789");
    uint64_t value;

    assert_int_equal(number_parse(digits, strspn(digits, "0123456789"), UINT32_MAX, &value), 0);
    return value;
}

static void test_watchdog_bites(void **state)
{
    const struct pair *pair = *state;
    struct place *held = pair->held, *fed = pair->fed;
    uint64_t fed_before_s;

    boot(fed);
    boot(held);
    fed_before_s = uptime_s(fed);
    hold_feeder(held);
    (void)expect_ready(held); /* a second time, so it was restarted */
    assert_int_equal(vm_counts(held->vm).watchdogs, 1);
    assert_int_equal(vm_counts(held->vm).boots, 2);

    assert_true(uptime_s(fed) > fed_before_s + WATCHDOG_S);
    assert_int_equal(vm_counts(fed->vm).watchdogs, 0);
    assert_int_equal(vm_counts(fed->vm).boots, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watchdog_bites, pair_setup, pair_teardown),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
