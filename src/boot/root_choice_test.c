#include "boot/root_choice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

static int parse(const char *text, const char **ret, struct failure *f)
{
    return root_choice_parse(text, strlen(text), ret, f);
}

static void test_system(void **state)
{
    static const char *const good[] = { "system", "system\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct failure f = FAILURE_NONE;
        const char *kind = NULL;

        assert_int_equal(parse(good[i], &kind, &f), 0);
        assert_string_equal(kind, "system");
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = { "",        "\n",       "system\n\n",    "system ", "System",
                                       "systems", "sys\ntem", "subvol:debian", "subvol:" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct failure f = FAILURE_NONE;
        const char *kind = NULL;

        assert_int_equal(parse(bad[i], &kind, &f), -EINVAL);
        assert_int_equal(f.code, CODE_BOOT_ROOT);
        assert_null(kind);
    }
}

static void test_word_is_told(void **state)
{
    struct failure f = FAILURE_NONE;
    const char *kind = NULL;

    (void)state;
    assert_int_equal(parse("subvol:debian\n", &kind, &f), -EINVAL);
    assert_non_null(strstr(f.text, "'subvol:debian'"));
    /* A byte of zero is part of no name. */
    assert_int_equal(root_choice_parse("system\0", sizeof("system"), &kind, &f), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_word_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
