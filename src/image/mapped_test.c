#include "image/mapped.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "sys/file.h"
#include "sys/test_folder.h"

static void test_file(void **state)
{
    struct failure f = FAILURE_NONE;
    struct span span;

    (void)state;
    assert_int_equal(file_write("full", "bytes", 5, 0600, &f), 0);
    assert_int_equal(mapped_open("full", &span, &f), 0);
    assert_int_equal(span.size, 5);
    assert_memory_equal(span.bytes, "bytes", 5);
    mapped_close(&span);
    assert_null(span.bytes);
    mapped_close(&span); /* of none */
    assert_int_equal(file_write("empty", "", 0, 0600, &f), 0);
    assert_int_equal(mapped_open("empty", &span, &f), 0);
    assert_int_equal(span.size, 0);
    assert_non_null(span.bytes); /* there is a file */
    mapped_close(&span);
}

static void test_refused(void **state)
{
    struct failure f = FAILURE_NONE;
    struct span span;

    (void)state;
    assert_int_equal(mapped_open("none", &span, &f), -ENOENT);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(mapped_open("folder", &span, &f), -EINVAL);
    assert_int_equal(f.code, CODE_ARTIFACT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_file),
                                        cmocka_unit_test(test_refused) };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
