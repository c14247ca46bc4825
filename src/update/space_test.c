#include "update/space.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/number.h"

static void test_need(void **state)
{
    uint64_t slot = 2 * GIB;

    (void)state;
    /* Files, and tables of 2 * 2 MiB. */
    assert_true(space_slot_need(slot, 15 * MIB, 200 * MIB) >= 230 * MIB + 4 * MIB);
    assert_true(space_slot_need(slot, 15 * MIB, 200 * MIB) < 240 * MIB);
    assert_true(space_slot_need(slot, 1, 1) > 3 * 4096);
    assert_true(space_slot_need(slot, UINT64_MAX, 1) == UINT64_MAX);
    assert_true(space_slot_need(slot, 1, UINT64_MAX) == UINT64_MAX);
    assert_true(space_slot_need(UINT64_MAX, 1, 1) == UINT64_MAX);
}

static void test_slot(void **state)
{
    struct failure f = FAILURE_NONE;
    uint64_t image = 1 * MIB;

    (void)state;
    assert_int_equal(space_check_slot(2 * GIB, 15 * MIB, 1000 * MIB, &f), 0);
    while (space_check_slot(64 * MIB, MIB, image, &f) == 0)
        image += 4096;
    assert_int_equal(f.code, CODE_UPDATE_SPACE);
    /* The largest that fits leaves less than a mebibyte unused. */
    assert_true(image > 64 * MIB - 2 * MIB - 1 * MIB && image < 64 * MIB - 2 * MIB);
}

static void test_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(space_check_folder("/tmp", 0, &f), 0);
    assert_int_equal(space_check_folder("/tmp", 1, &f), 0);
    assert_int_equal(space_check_folder("/tmp", (uint64_t)1 << 60, &f), -ENOSPC);
    assert_int_equal(f.code, CODE_UPDATE_SPACE);
    assert_non_null(strstr(f.text, "'/tmp' has "));
    assert_int_equal(space_check_folder("/tmp", UINT64_MAX, &f), -EOVERFLOW);
    assert_int_equal(space_check_folder("/nowhere", 1, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_need),
        cmocka_unit_test(test_slot),
        cmocka_unit_test(test_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
