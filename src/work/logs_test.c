#include "work/logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"

static char folder[] = "/tmp/logs-XXXXXX";

static void put(const char *name, const char *content)
{
    struct failure f = FAILURE_NONE;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/web/%s", folder, name);
    assert_int_equal(file_make_parent(path, &f), 0);
    assert_int_equal(file_write(path, content, strlen(content), 0644, &f), 0);
}

static int set_up(void **state)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct failure f = FAILURE_NONE;

    return file_remove_tree(folder, &f);
}

static void collect(const char *line, size_t length, void *context)
{
    text_add_bytes(context, line, length);
    text_add(context, "|");
}

static void expect(size_t count, const char *wanted)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    assert_true(logs_read(folder, "web", count, collect, &t, &f) >= 0);
    assert_string_equal(text_string(&t), wanted);
}

static void test_over_files(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(logs_read(folder, "web", 1, collect, NULL, &f), -ENOENT);
    put("lock", "");
    put("state", "x\n");
    expect(5, ""); /* nothing was said yet */
    put("@400000006a1d2f60.s", "1\n2\n");
    put("@400000006a1d2f61.s", "3\n4\n");
    put("current", "5\n6\n");
    expect(0, "");
    expect(1, "6|");
    expect(2, "5|6|");
    expect(3, "4|5|6|");
    expect(5, "2|3|4|5|6|");
    expect(100, "1|2|3|4|5|6|");
    put("current", "");
    expect(3, "2|3|4|");
}

/* More files than are kept track of: the newest count. */
static void test_many_files(void **state)
{
    for (int i = 0; i < LOGS_FILES_MAX + 5; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "@%04d.s", i);
        put(name, "x\n");
    }
    put("current", "y\n");
    expect(2, "x|y|");
}

static void test_stamp(void **state)
{
    static const char line[] = "2026-11-25 09:14:03.123456789  hello";

    assert_int_equal(logs_stamp_length(line, strlen(line)), 31);
    assert_int_equal(logs_stamp_length(line, 30), 0);
    assert_int_equal(logs_stamp_length("hello", 5), 0);
    assert_int_equal(logs_stamp_length("2026-11-25T09:14:03.123456789  hello", 36), 0);
}

static void test_last(void **state)
{
    char text[16];

    logs_last(folder, "web", text, sizeof(text));
    assert_string_equal(text, "");
    put("current", "2026-11-25 09:14:03.123456789  one\n"
                   "2026-11-25 09:14:04.123456789  two\tthree four five\n");
    logs_last(folder, "web", text, sizeof(text));
    assert_string_equal(text, "two three four ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_over_files),
        TEST(test_many_files),
        TEST(test_stamp),
        TEST(test_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
