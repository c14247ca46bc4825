#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "node/keep.h"
#include "sys/file.h"

static void put(const char *folder, const char *name)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_write(path, "x", 1, 0600, &f), 0);
}

static bool has(const char *folder, const char *name)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    return file_exists(path);
}

static void test_keep(void **state)
{
    char folder[] = "/tmp/broch-keep-XXXXXX";
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(keep_newest(folder, 0, &f), 0);
    put(folder, "1000-a");
    put(folder, "1002-c");
    put(folder, "1001-b");
    assert_int_equal(keep_newest(folder, 3, &f), 0);
    assert_true(has(folder, "1000-a"));
    assert_int_equal(keep_newest(folder, 2, &f), 0);
    assert_false(has(folder, "1000-a"));
    assert_true(has(folder, "1001-b"));
    assert_int_equal(keep_newest(folder, 0, &f), 0);
    assert_false(has(folder, "1002-c"));
    assert_int_equal(file_remove_tree(folder, &f), 0);
    assert_true(keep_newest(folder, 0, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_keep) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
