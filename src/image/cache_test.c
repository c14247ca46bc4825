#include "image/cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/file.h"

static void set(const char *variable, const char *value)
{
    if (value)
        assert_int_equal(setenv(variable, value, 1), 0);
    else
        assert_int_equal(unsetenv(variable), 0);
}

static void test_precedence(void **state)
{
    _cleanup_free_ char *own = text_make("%s/own", test_folder_path());
    _cleanup_free_ char *xdg = text_make("%s/xdg", test_folder_path());
    _cleanup_free_ char *home = text_make("%s/home", test_folder_path());
    const struct {
        const char *own, *xdg, *home, *expected; /* below the test's folder; NULL: refused */
    } cases[] = {
        { own, xdg, home, "own" },
        { NULL, xdg, home, "xdg/broch" },
        { NULL, NULL, home, "home/.cache/broch" },
        { "relative", xdg, home, "xdg/broch" },
        { "", "", home, "home/.cache/broch" },
        { NULL, "relative", home, "home/.cache/broch" },
        { NULL, NULL, NULL, NULL },
        { NULL, NULL, "relative", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *found = NULL, *expected = NULL;
        struct failure f = FAILURE_NONE;
        int r;

        set("BROCH_CACHE", cases[i].own);
        set("XDG_CACHE_HOME", cases[i].xdg);
        set("HOME", cases[i].home);
        r = cache_folder(&found, &f);
        if (!cases[i].expected) {
            assert_int_equal(r, -EINVAL); /* nothing below /tmp, where others can be first */
            assert_int_equal(f.code, CODE_USAGE);
            continue;
        }
        expected = text_make("%s/%s", test_folder_path(), cases[i].expected);
        assert_int_equal(r, 0);
        assert_string_equal(found, expected);
        assert_true(file_exists(found));
    }
    set("BROCH_CACHE", own);
}

static void test_path(void **state)
{
    _cleanup_free_ char *found = NULL, *blocked = text_make("%s/file/cache", test_folder_path());
    _cleanup_free_ char *own = text_make("%s/own", test_folder_path());
    struct failure f = FAILURE_NONE;

    (void)state;
    set("BROCH_CACHE", own);
    assert_int_equal(cache_path(&found, &f, "steps/%s/%d", "x", 7), 0);
    assert_int_equal(strncmp(found, own, strlen(own)), 0);
    assert_string_equal(found + strlen(own), "/steps/x/7");
    assert_false(file_exists(found));
    free(take_ptr(found));
    test_folder_write("file", "");
    set("BROCH_CACHE", blocked);
    assert_int_equal(cache_path(&found, &f, "x"), -ENOTDIR);
    assert_null(found);
    set("BROCH_CACHE", own);
}

/* A program that failed said why; nothing else is taken for a full disk. */
static void test_space(void **state)
{
    static const struct {
        enum code code;
        const char *text;
        int result;
    } cases[] = {
        { CODE_STEP_FAILED, "mkfs: No space left on device", -ENOSPC },
        { CODE_IO, "'x': Write error (No space left on device)", -ENOSPC },
        { CODE_STEP_FAILED, "mkfs: no such option", -EIO },
        { CODE_LOCK_HASH, "No space left on device", -EIO },
    };
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(cache_judge_space(0, &f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int r = failure_set(&f, cases[i].code, -EIO, "%s", cases[i].text);

        assert_int_equal(cache_judge_space(r, &f), cases[i].result);
        assert_int_equal(f.code, cases[i].result == -ENOSPC ? CODE_NO_SPACE : cases[i].code);
        assert_non_null(strstr(f.text, cases[i].text));
    }
    assert_int_equal(cache_want_room(0, &f), 0);
    assert_int_equal(cache_want_room(UINT64_MAX, &f), -ENOSPC);
    assert_int_equal(f.code, CODE_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_space),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
