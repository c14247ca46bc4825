#include "sys/spawn.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

static int capture(const struct arguments *arguments, const struct sandbox *sandbox, char **ret,
                   struct failure *f)
{
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = arguments, .sandbox = sandbox };
    size_t size;

    return spawn_capture(&spawn, 4096, ret, &size, f);
}

static void test_capture(void **state)
{
    struct arguments arguments = ARGUMENTS("echo", "two  words", "$HOME");
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(capture(&arguments, NULL, &output, &f), 0);
    assert_string_equal(output, "two  words $HOME\n"); /* no shell in between */
}

static void test_statuses(void **state)
{
    struct arguments exits = ARGUMENTS("sh", "-c", "exit 7");
    struct arguments dies = ARGUMENTS("sh", "-c", "kill -9 $$");
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &exits };
    struct failure f = FAILURE_NONE;
    pid_t pid;

    (void)state;
    assert_int_equal(spawn_start(&spawn, &pid, &f), 0);
    assert_int_equal(spawn_wait(pid), 7);
    spawn.arguments = &dies;
    assert_int_equal(spawn_start(&spawn, &pid, &f), 0);
    assert_int_equal(spawn_wait(pid), 128 + SIGKILL);
    assert_true(spawn_run(&spawn, &f) < 0);
    assert_int_equal(f.code, CODE_STEP_FAILED);
}

static void test_missing_program(void **state)
{
    struct arguments arguments = ARGUMENTS("no-such-program-anywhere");
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    struct failure f = FAILURE_NONE;
    pid_t pid;

    (void)state;
    assert_int_equal(spawn_start(&spawn, &pid, &f), -ENOENT);
    assert_int_equal(f.code, CODE_TOOL_MISSING);
    assert_non_null(strstr(f.text, "no-such-program-anywhere"));
}

static void test_output_over_the_limit(void **state)
{
    struct arguments arguments = ARGUMENTS("head", "-c", "5000", "/dev/zero");
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(capture(&arguments, NULL, &output, &f), -ERANGE);
    assert_null(output);
}

/* The host's own root serves as the tree. */
static void test_sandbox(void **state)
{
    struct sandbox sandbox = { .tree = "/", .binds = { { "/proc/version", "/made/here", true } } };
    struct arguments look = ARGUMENTS("sh", "-c",
                                      "echo $$; id -u; cat /made/here; ls /home; "
                                      "touch /usr/x 2>&1 | grep -c Read-only; "
                                      "echo $LANG $TZ $BROCH_SECRET");
    struct arguments missing = ARGUMENTS("no-such-program-anywhere");
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(setenv("BROCH_SECRET", "leaked", 1), 0);
    assert_int_equal(sandbox_possible(&f), 0);
    assert_int_equal(capture(&look, &sandbox, &output, &f), 0);
    assert_memory_equal(output, "2\n0\nLinux version", 17);
    assert_non_null(strstr(output, "\n1\nC.UTF-8 UTC\n"));
    assert_null(strstr(output, "leaked"));
    assert_true(capture(&missing, &sandbox, &output, &f) < 0);
    assert_int_equal(f.code, CODE_TOOL_MISSING);
}

static void test_sandbox_bind_of_nothing(void **state)
{
    struct sandbox sandbox = { .tree = "/", .binds = { { "/no/such/thing", NULL, true } } };
    struct arguments arguments = ARGUMENTS("true");
    _cleanup_free_ char *output = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(capture(&arguments, &sandbox, &output, &f), -ENOENT);
    assert_non_null(strstr(f.text, "/no/such/thing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture),         cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_missing_program), cmocka_unit_test(test_output_over_the_limit),
        cmocka_unit_test(test_sandbox),         cmocka_unit_test(test_sandbox_bind_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
