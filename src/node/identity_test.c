#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "node/identity.h"

static void test_hostnames(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        bool given;
    } cases[] = {
        { "", "broch", false },
        { "\n\n", "broch", false },
        { "# only a comment\n", "broch", false },
        { "tower\n", "tower", true },
        { "tower", "tower", true },
        { "# name\n\n  tower \t\nother\n", "tower", true },
        { "to wer\n", "broch", false },
        { "-tower\n", "broch", false },
        { "tower.example\n", "broch", false },
        { "tower\r\n", "broch", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[NAME_SIZE];

        assert_int_equal(identity_hostname(cases[i].text, strlen(cases[i].text), name),
                         cases[i].given);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_no_file(void **state)
{
    char name[NAME_SIZE];

    assert_false(identity_hostname(NULL, 0, name));
    assert_string_equal(name, "broch");
}

static void test_machine_id(void **state)
{
    uint8_t random[MACHINE_ID_BYTES];
    char text[MACHINE_ID_TEXT_SIZE];

    memset(random, 0xff, sizeof(random));
    identity_machine_id(random, text);
    assert_string_equal(text, "ffffffffffff4fffbfffffffffffffff\n");
    memset(random, 0, sizeof(random));
    identity_machine_id(random, text);
    assert_string_equal(text, "00000000000040008000000000000000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostnames),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_machine_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
