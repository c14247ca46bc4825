#include "image/users.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct user users[] = { { "broch-log", 69999 }, { "broch-time", 90047 } };

static int append(const char *path, const char *before, size_t count, struct text *ret,
                  struct failure *f)
{
    const struct compose_file file = { path, (const uint8_t *)before, strlen(before) };

    return users_append(&file, users, count, ret, f);
}

static void test_have(void **state)
{
    static const char passwd[] = "root:x:0:0::/root:/bin/sh\n_chrony:x:100:101::/:/x\nlast:x:1:1";

    (void)state;
    assert_true(users_have(passwd, strlen(passwd), "root"));
    assert_true(users_have(passwd, strlen(passwd), "_chrony"));
    assert_true(users_have(passwd, strlen(passwd), "last"));
    assert_false(users_have(passwd, strlen(passwd), "chrony"));
    assert_false(users_have(passwd, strlen(passwd), "roo"));
    assert_false(users_have(passwd, strlen(passwd), "x"));
    assert_false(users_have("", 0, "root"));
}

static void test_append(void **state)
{
    static const struct {
        const char *path, *before, *after;
    } cases[] = {
        { "etc/passwd", "root:x:0:0::/root:/bin/sh\n",
          "root:x:0:0::/root:/bin/sh\nbroch-log:x:69999:69999::/:/usr/sbin/nologin\n"
          "broch-time:x:90047:90047::/:/usr/sbin/nologin\n" },
        { "etc/group", "root:x:0:", "root:x:0:\nbroch-log:x:69999:\nbroch-time:x:90047:\n" },
        { "etc/shadow", "root:!:::::::\n",
          "root:!:::::::\nbroch-log:!*:::::::\nbroch-time:!*:::::::\n" },
        { "etc/gshadow", "", "broch-log:!*::\nbroch-time:!*::\n" },
        { "etc/hosts", "127.0.0.1 localhost", "127.0.0.1 localhost" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text text = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        assert_int_equal(append(cases[i].path, cases[i].before, ARRAY_SIZE(users), &text, &f), 0);
        assert_string_equal(text_string(&text), cases[i].after);
    }
}

/* Nothing to add: not even the missing newline. */
static void test_append_none(void **state)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(append("etc/passwd", "root:x:0:0", 0, &text, &f), 0);
    assert_string_equal(text_string(&text), "root:x:0:0");
}

static void test_taken(void **state)
{
    static const struct {
        const char *path, *before, *message;
    } cases[] = {
        { "etc/passwd", "a:x:90047:1::/:/x\n",
          "'/etc/passwd' gives the number 90047 of 'broch-time' to 'a'" },
        { "etc/group", "a:x:69999:\n",
          "'/etc/group' gives the number 69999 of 'broch-log' to 'a'" },
        { "etc/shadow", "broch-time:!:::::::\n",
          "'/etc/shadow' has 'broch-time' already, which the image is to make" },
        { "etc/gshadow", "broch-log:!::\n",
          "'/etc/gshadow' has 'broch-log' already, which the image is to make" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text text = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        assert_int_equal(append(cases[i].path, cases[i].before, ARRAY_SIZE(users), &text, &f),
                         -EEXIST);
        assert_int_equal(f.code, CODE_SERVICE_USER);
        assert_string_equal(f.text, cases[i].message);
    }
}

/* Lines that are no line of the user database are left alone. */
static void test_odd_lines(void **state)
{
    static const char before[] = "\n:\nx\nbroch-tim:x:90047x:1\n+::::::\n";
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(append("etc/passwd", before, ARRAY_SIZE(users), &text, &f), 0);
    assert_int_equal(strncmp(text_string(&text), before, strlen(before)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_have),        cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_none), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_odd_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
