/* What is refused before the first step runs; whole builds are in tests/factory. */
#include "image/build.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/test_folder.h"
#include "sys/file.h"

#define PROFILE "name = \"node\"\nbase = \"debian\"\ninit = \"s6\"\nkernel = \"debian\"\n"

static struct progress progress;

static int enter(void **state)
{
    struct failure f = FAILURE_NONE;

    progress_start(&progress, -1, true);
    if (test_folder_enter(state) < 0)
        return -1;
    test_folder_write("profiles/node/profile.toml", PROFILE);
    test_folder_write("VERSION", "0.1.0\n");
    return keys_init("development-keys", true, 1234, &f) < 0 ||
                   keys_init("keys", false, 1234, &f) < 0
               ? -1
               : 0;
}

static void test_refused(void **state)
{
    static const struct {
        struct build_request request;
        enum code code;
        const char *word;
    } cases[] = {
        { { .profile = "nod" }, CODE_PROFILE_UNKNOWN, "did you mean 'node'" },
        { { .profile = "node", .kernel = "own" }, CODE_USAGE, "--kernel" },
        { { .profile = "node", .production = true }, CODE_KEYS_DEVELOPMENT, "needs --keys" },
        { { .profile = "node", .production = true, .keys = "development-keys" },
          CODE_KEYS_DEVELOPMENT,
          "holds development keys" },
        { { .profile = "node", .keys = "nowhere" }, CODE_KEYS_BAD, "'nowhere'" },
        { { .profile = "node", .keys = "keys" }, CODE_IO, "tools/packages.txt" },
        { { .profile = "node", .keys = "keys", .production = true },
          CODE_IO,
          "tools/packages.txt" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct build_request request = cases[i].request;
        _cleanup_free_ char *folder = NULL;
        char *live = NULL;
        struct failure f = FAILURE_NONE;

        request.source = ".";
        assert_true(build_run(&request, &progress, &folder, &live, &f) < 0);
        if (f.code == CODE_USER_NAMESPACE)
            continue; /* this host does not come as far as the tools */
        if (f.code != cases[i].code || !strstr(f.text, cases[i].word))
            fail_msg("case %zu: %d '%s'", i, (int)f.code, f.text);
        assert_null(folder);
        assert_false(file_exists("out"));
    }
}

static void test_until(void **state)
{
    const struct build_request request = { .source = ".", .profile = "node", .keys = "keys" };
    _cleanup_free_ char *folder = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(build_until(&request, "rootf", &progress, &folder, &f), -EINVAL);
    assert_int_equal(f.code, CODE_USAGE);
    assert_non_null(strstr(f.text, "did you mean 'rootfs'?"));
    assert_int_equal(build_until(&request, "", &progress, &folder, &f), -EINVAL);
    assert_null(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_until),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
