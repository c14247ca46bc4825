#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "node/names.h"

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *text;
    bool name;
    bool host;
} cases[] = {
    { "", false, false },
    { "a", true, true },
    { "9", true, true },
    { "console-ttyS0", true, true },
    { "v0.1.0-node", true, false },
    { "a_b", true, false },
    { "a+b", true, false },
    { "-a", false, false },
    { "a-", true, false },
    { ".", false, false },
    { "..", false, false },
    { ".hidden", false, false },
    { "a/b", false, false },
    { "a b", false, false },
    { "a\nb", false, false },
    { "\xc3\xa4", false, false },
    { LONGEST, true, true },
    { LONGEST "4", false, false },
};

static void test_table(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = strlen(cases[i].text);

        assert_int_equal(name_is_valid(cases[i].text, length), cases[i].name);
        assert_int_equal(name_is_host(cases[i].text, length), cases[i].host);
    }
}

/* A zero inside the length is not the end of a name but a bad character. */
static void test_embedded_zero(void **state)
{
    assert_false(name_is_valid("a\0b", 3));
    assert_false(name_is_host("a\0b", 3));
}

/* Every single byte, at the start and inside: what is allowed is a short, closed list. */
static void test_every_byte(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    for (int byte = 1; byte < 256; byte++) {
        const char text[] = { 'a', (char)byte, 'z' };
        bool letter = strchr(letters, byte) != NULL;

        assert_int_equal(name_is_valid(text + 1, 1), letter);
        assert_int_equal(name_is_valid(text, 3), letter || strchr("._+-", byte) != NULL);
        assert_int_equal(name_is_host(text, 3), letter || byte == '-');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_embedded_zero),
        cmocka_unit_test(test_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
