/* Without a watchdog; one that bites is seen by the VM tests. */
#include "sys/watchdog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

static void test_none(void **unused)
{
    struct watchdog w = { .fd = 7 };

    (void)unused;
    assert_int_equal(watchdog_open("/dev/no-such-watchdog", 120, &w), -ENOENT);
    assert_int_equal(watchdog_open("/dev/null", 120, &w), -ENOTTY);
    assert_int_equal(w.fd, 7);
}

static void test_keep_alive(void **unused)
{
    struct watchdog w = { .fd = -1 };

    (void)unused;
    errno = 0;
    watchdog_keep_alive(&w);
    assert_int_equal(errno, 0); /* nothing was called */
}

static void test_panic_before(void **unused)
{
    struct watchdog w = { .fd = -1 };

    (void)unused;
    assert_int_equal(watchdog_panic_before(&w, "/sys/no-such-governor"), -ENOENT);
    assert_int_equal(watchdog_panic_before(&w, "/dev/null"), -EBADF);
}

/* As the kernel writes it (drivers/watchdog/watchdog_dev.c): a decimal number. */
static void test_has_bitten(void **unused)
{
    static const struct {
        const char *status;
        bool bitten;
    } cases[] = {
        { "0\n", false }, { "32\n", true }, { "33\n", true }, { "31\n", false }, { "x\n", false },
    };
    char class[] = "/tmp/broch-watchdog-XXXXXX";
    struct failure f = FAILURE_NONE;
    _cleanup_free_ char *path = NULL;

    (void)unused;
    assert_non_null(mkdtemp(class));
    assert_false(watchdog_has_bitten(class));
    path = text_make("%s/watchdog1/bootstatus", class);
    assert_int_equal(file_make_parent(path, &f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(file_write(path, cases[i].status, strlen(cases[i].status), 0600, &f), 0);
        assert_int_equal(watchdog_has_bitten(class), cases[i].bitten);
    }
    assert_int_equal(file_remove_tree(class, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panic_before),
        cmocka_unit_test(test_has_bitten),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_keep_alive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
