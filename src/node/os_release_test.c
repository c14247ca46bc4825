#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/os_release.h"

static int get(const char *text, const char *key, char *value, size_t size)
{
    return os_release_get(text, strlen(text), key, value, size);
}

static void test_values(void **state)
{
    static const struct {
        const char *text;
        int result;
        const char *value;
    } cases[] = {
        { "KEY=value\n", 0, "value" },
        { "KEY=value", 0, "value" },
        { "OTHER=1\nKEY=\"two words\"\n", 0, "two words" },
        { "KEY='two words'\n", 0, "two words" },
        { "KEY=\"a\\\"b\\\\c\"\n", 0, "a\"b\\c" },
        { "KEY=\n", 0, "" },
        { "KEY=\"\"\n", 0, "" },
        { "KEY=first\nKEY=second\n", 0, "second" },
        { "KEY=bad value\nKEY=good\n", 0, "good" },
        { "# KEY=comment\n", -ENOENT, NULL },
        { "KEYS=other\n", -ENOENT, NULL },
        { "", -ENOENT, NULL },
        { "KEY=\"open\n", -EBADMSG, NULL },
        { "KEY=\"\n", -EBADMSG, NULL },
        { "KEY=\"a\"b\"\n", -EBADMSG, NULL },
        { "KEY=\"a\\\"\n", -EBADMSG, NULL },
        { "KEY=two words\n", -EBADMSG, NULL },
        { "KEY=$(reboot)\n", -EBADMSG, NULL },
        { "KEY=\"\033[31m\"\n", -EBADMSG, NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char value[32];

        assert_int_equal(get(cases[i].text, "KEY", value, sizeof(value)), cases[i].result);
        if (cases[i].value)
            assert_string_equal(value, cases[i].value);
    }
}

static void test_room(void **state)
{
    char value[4];

    assert_int_equal(get("KEY=abc\n", "KEY", value, sizeof(value)), 0);
    assert_int_equal(get("KEY=abcd\n", "KEY", value, sizeof(value)), -ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
