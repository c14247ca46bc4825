/* Watchdogs: the device restarts a machine whose feeder stands still, and leaves one alone whose
 * feeder runs; the chipset's is armed where there is no other one, and the kernel's own where
 * there is none at all. BROCH_SOAK=1 waits for what a hang leaves. */
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

#define DEVICE "/sys/class/watchdog/watchdog0/"
#define FEEDER "/run/service/watchdog"
#define HOLD   "pid=$(s6-svstat -o pid " FEEDER "); kill -STOP $pid; cat /proc/$pid/status"

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

/* Holds the feeder until the machine has been started anew. */
static void hang(struct place *place)
{
    expect(place, true, HOLD, "T (stopped)");
    (void)expect_ready(place);
    login(place);
    assert_int_equal(vm_counts(place->vm).boots, 2);
}

/* Holds the feeder as a hung machine would: it is there, the device stays open, nobody pets it. The
 * kernel is kept from the panic that comes before the bite. */
static void hold_feeder(struct place *place)
{
    _cleanup_free_ char *output = as_root(
        place, "modprobe pretimeout_noop; echo noop >" DEVICE "pretimeout_governor; "
               "echo governor=$(cat " DEVICE "pretimeout_governor); " HOLD "; cat " DEVICE "state");

    assert_non_null(strstr(output, "governor=noop"));
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

/* Without i6300esb: the chipset's. */
static void test_chipset(void **state)
{
    struct place *place = *state;

    place->config.watchdog = false;
    boot(place);
    expect(place, false, "cat /run/broch/boot.json", "\"watchdog\": \"iTCO_wdt\"");
    expect(place, false, "cat " DEVICE "identity", "iTCO_wdt");
    expect(place, false, "cat " DEVICE "state", "active");
    expect(place, false, "cat " DEVICE "timeout", "60");
    expect(place, false, "cat " DEVICE "pretimeout_governor", "panic");
    expect(place, false, "cat " DEVICE "pretimeout", "15");
    expect_not(place, true, "ls /var/log/broch/pstore; echo", "dmesg");
    if (!getenv("BROCH_SOAK"))
        return;
    hang(place);
    expect(place, false, "cat /run/broch/panic; echo", "watchdog pretimeout event");
    expect(place, true, "ls /var/log/broch/pstore", "dmesg-efi_pstore-");
}

/* A chipset without a watchdog, and a disk for which all drivers are loaded before it is there. */
static void test_none_at_all(void **state)
{
    struct place *place = *state;

    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    place->config.disks[0].interface = VM_DISK_USB;
    place->config.watchdog = false;
    place->config.extra[0] = "-machine";
    place->config.extra[1] = "pc";
    boot(place);
    expect(place, false, "cat /run/broch/boot.json", "\"watchdog\": \"Software Watchdog\"");
    expect(place, false, "cat " DEVICE "identity", "Software Watchdog");
    expect(place, false, "cat " DEVICE "state", "active");
    expect(place, false, "cat " DEVICE "timeout", "60");
    hang(place);
    assert_int_equal(vm_counts(place->vm).watchdogs, 0); /* no device did it */
}

int main(void)
{
#define SAMPLE                                                                                     \
    cmocka_unit_test_setup_teardown(test_watchdog_bites, pair_setup, pair_teardown),               \
        cmocka_unit_test_setup_teardown(test_chipset, place_setup, place_teardown)
    const struct CMUnitTest sample[] = { SAMPLE };
    const struct CMUnitTest all[] = {
        SAMPLE,
        cmocka_unit_test_setup_teardown(test_none_at_all, place_setup, place_teardown),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return getenv("BROCH_SOAK") ? cmocka_run_group_tests(all, fixture_start, NULL)
                                : cmocka_run_group_tests(sample, fixture_start, NULL);
}
