#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <string.h>

#include "node/kernel_log.h"

static void test_failure_line(void **state)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    kernel_log_word_failure(&l, "init", "mounts", CODE_INIT_MOUNT, "cannot mount tmpfs on '/tmp'");
    assert_string_equal(buffer, "broch init step=mounts status=fail code=BR-INIT-MOUNT "
                                "detail=\"cannot mount tmpfs on '/tmp'\"");
}

/* A detail of any length and content stays one line that the kernel takes. */
static void test_hostile_detail(void **state)
{
    char buffer[KERNEL_LOG_LINE_MAX], detail[2 * KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    memset(detail, '\n', sizeof(detail));
    detail[sizeof(detail) - 1] = '\0';
    kernel_log_word_failure(&l, "init", "mounts", CODE_INIT_MOUNT, detail);
    assert_true(l.cut);
    assert_true(strlen(buffer) < KERNEL_LOG_LINE_MAX);
    assert_null(strchr(buffer, '\n'));
}

static void test_clock_goes_forward(void **state)
{
    uint64_t before = kernel_log_now_us(), after = kernel_log_now_us();

    assert_true(before > 0);
    assert_true(after >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_line),
        cmocka_unit_test(test_hostile_detail),
        cmocka_unit_test(test_clock_goes_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
