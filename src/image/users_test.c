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

static const char passwd_before[] = "root:x:0:0:root:/root:/bin/sh\n"
                                    "_chrony:x:100:102:Chrony:/var/lib/chrony:/usr/sbin/nologin\n"
                                    "sshd:x:999:65534::/run/sshd:/usr/sbin/nologin\n"
                                    "admin:x:1000:1000::/home/admin:/bin/bash\n";
static const char group_before[] = "root:x:0:\nusers:x:100:\n_chrony:x:102:a,b\nadmin:x:1000:\n";

static struct compose_file file_of(const char *path, const char *content)
{
    return (struct compose_file){ path, (const uint8_t *)content, strlen(content) };
}

static void check_renumbered(const char *path, const char *before, const char *after)
{
    struct compose_file passwd = file_of("etc/passwd", passwd_before);
    struct compose_file group = file_of("etc/group", group_before);
    struct compose_file file = file_of(path, before);
    _cleanup_text_ struct text text = TEXT_INIT;
    struct users_numbers numbers;
    struct failure f = FAILURE_NONE;

    assert_int_equal(users_plan(&passwd, &group, &numbers, &f), 0);
    users_renumber(&file, &numbers, &text);
    assert_string_equal(text_string(&text), after);
}

/* Files under /var keep their owner from one generation to the next: these numbers never change. */
static void test_renumber(void **state)
{
    (void)state;
    check_renumbered("etc/passwd", passwd_before,
                     "root:x:0:0:root:/root:/bin/sh\n"
                     "_chrony:x:276871:276871:Chrony:/var/lib/chrony:/usr/sbin/nologin\n"
                     "sshd:x:281773:65534::/run/sshd:/usr/sbin/nologin\n"
                     "admin:x:1000:1000::/home/admin:/bin/bash\n");
    check_renumbered("etc/group", group_before,
                     "root:x:0:\nusers:x:100:\n_chrony:x:276871:a,b\nadmin:x:1000:\n");
    check_renumbered("etc/shadow", "_chrony:100:102:\n", "_chrony:100:102:\n");
    check_renumbered("etc/passwd", "x\n:\n\na:x:100\nb:x:+100:999",
                     "x\n:\n\na:x:276871\nb:x:+100:999\n");
}

static void test_numbers(void **state)
{
    struct compose_file passwd = file_of("etc/passwd", passwd_before);
    struct compose_file group = file_of("etc/group", group_before);
    struct users_numbers numbers;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(users_plan(&passwd, &group, &numbers, &f), 0);
    assert_int_equal(users_number(0, false, &numbers), 0);
    assert_int_equal(users_number(100, false, &numbers), users_number(102, true, &numbers));
    assert_int_equal(users_number(100, true, &numbers), 100);  /* "users" */
    assert_int_equal(users_number(102, false, &numbers), 102); /* nobody's */
    assert_int_equal(users_number(1000, false, &numbers), 1000);
    assert_in_range(users_number(999, false, &numbers), USERS_ID_MIN, USERS_ID_MAX);
}

static void test_plan_refused(void **state)
{
    struct compose_file none = file_of("etc/group", "");
    _cleanup_text_ struct text many = TEXT_INIT;
    struct compose_file passwd = file_of("etc/passwd", "a:x:100:1\na:x:101:1\n");
    struct users_numbers numbers = { .users.count = 7 };
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(users_plan(&passwd, &none, &numbers, &f), -EEXIST);
    assert_string_equal(f.text, "'a' in '/etc/passwd' and another name lead to one number");
    for (int i = 0; i <= USERS_RENUMBERED_MAX; i++)
        text_addf(&many, "u%d:x:%d:1\n", i, 100 + i);
    passwd = file_of("etc/passwd", text_string(&many));
    assert_int_equal(users_plan(&passwd, &none, &numbers, &f), -ERANGE);
    assert_int_equal(numbers.users.count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_have),        cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_none), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_odd_lines),   cmocka_unit_test(test_renumber),
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_plan_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
