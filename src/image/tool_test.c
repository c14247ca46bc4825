#include "image/tool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"

/* The host's own root is a tree too. */
static char root[] = "/";
static const struct tree host = { .path = root };

static int enter(void **state)
{
    struct failure f = FAILURE_NONE;

    if (test_folder_enter(state) < 0)
        return -1;
    if (sandbox_possible(&f) < 0) {
        print_message("%s: nothing is tested\n", f.text);
        exit(77);
    }
    return 0;
}

static void test_environment(void **state)
{
    struct tool tool = tool_make(&host, "made-up", 1234);
    const struct arguments arguments =
        ARGUMENTS("sh", "-c", "echo $SOURCE_DATE_EPOCH $TZ $LANG $TMPDIR; umask; pwd; ls /run");
    _cleanup_free_ char *output = NULL, *out = text_make("%s/out", test_folder_path());
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0); /* the host's does not get in */
    test_folder_write("out/x", "");
    tool_bind(&tool, out, "/run/out", true);
    tool.folder = "/run/out";
    assert_int_equal(tool_capture(&tool, &arguments, 4096, &output, &size, &f), 0);
    assert_string_equal(output, "1234 UTC C.UTF-8 /tmp\n0022\n/run/out\nout\n");
}

static void test_log(void **state)
{
    struct tool tool = tool_make(&host, "made-up", 1);
    const struct arguments fine = ARGUMENTS("sh", "-c", "echo to out; echo to err >&2");
    const struct arguments bad =
        ARGUMENTS("sh", "-c", "printf 'first\\nthe \\033[31mreason\\n' >&2; exit 3");
    _cleanup_free_ char *log = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(tool_run(&tool, &fine, &f), 0);
    log = test_folder_read("cache/logs/made-up.log");
    assert_string_equal(log, "to out\nto err\n");
    assert_true(tool_run(&tool, &bad, &f) < 0);
    assert_int_equal(f.code, CODE_STEP_FAILED);
    assert_non_null(strstr(f.text, "status 3"));
    assert_non_null(strstr(f.text, "cache/logs/made-up.log"));
    assert_non_null(strstr(f.text, "reason"));
    for (const char *p = f.text; *p; p++)
        assert_true(*p >= ' ' && *p <= '~'); /* nothing that a terminal obeys */
}

static void test_binds(void **state)
{
    struct tool tool = tool_make(&host, "made-up", 1);
    const struct arguments read_only = ARGUMENTS("sh", "-c", "echo x > /run/in/new");
    const struct arguments writable = ARGUMENTS("sh", "-c", "cp /run/in/file /run/out/copy");
    _cleanup_free_ char *in = text_make("%s/in", test_folder_path());
    _cleanup_free_ char *out = text_make("%s/out", test_folder_path()), *copy = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("in/file", "content");
    test_folder_write("out/x", "");
    tool_bind(&tool, in, "/run/in", true);
    tool_bind(&tool, out, "/run/out", false);
    assert_true(tool_run(&tool, &read_only, &f) < 0);
    assert_int_equal(tool_run(&tool, &writable, &f), 0);
    copy = test_folder_read("out/copy");
    assert_string_equal(copy, "content");
}

static void test_input_and_limit(void **state)
{
    struct tool tool = tool_make(&host, "made-up", 1);
    const struct arguments cat = ARGUMENTS("cat");
    const struct arguments missing = ARGUMENTS("no-such-tool-anywhere");
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    test_folder_write("input", "0123456789");
    tool.input_fd = open("input", O_RDONLY | O_CLOEXEC);
    assert_true(tool.input_fd >= 0);
    assert_int_equal(tool_capture(&tool, &cat, 10, &output, &size, &f), 0);
    assert_int_equal(size, 10);
    free(take_ptr(output));
    assert_int_equal(lseek(tool.input_fd, 0, SEEK_SET), 0);
    assert_int_equal(tool_capture(&tool, &cat, 9, &output, &size, &f), -ERANGE);
    assert_null(output);
    assert_int_equal(close(tool.input_fd), 0);
    tool.input_fd = -1;
    assert_int_equal(tool_run(&tool, &missing, &f), -ENOENT);
    assert_int_equal(f.code, CODE_TOOL_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_input_and_limit),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
