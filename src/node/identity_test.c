#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "node/identity.h"

/* Host name and time zone belong to a kernel and to paths of a machine: tests/vm/config_test.c. */

static void test_machine_id(void **state)
{
    uint8_t random[MACHINE_ID_BYTES];
    char text[MACHINE_ID_TEXT_SIZE];

    memset(random, 0xff, sizeof(random));
    identity_machine_id(random, text);
    assert_string_equal(text, "ffffffffffff4fffbfffffffffffffff\n");
    assert_true(identity_is_machine_id(text, strlen(text)));
    memset(random, 0, sizeof(random));
    identity_machine_id(random, text);
    assert_string_equal(text, "00000000000040008000000000000000\n");
    assert_true(identity_is_machine_id(text, strlen(text)));
}

static void test_what_is_no_machine_id(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "00000000000000000000000000000000\n",
        "ffffffffffff4fffbfffffffffffffff",
        "ffffffffffff4fffbfffffffffffffff\n\n",
        "FFFFFFFFFFFF4FFFBFFFFFFFFFFFFFFF\n",
        "ffffffffffff4fffbffffffffffffff \n",
        "uninitialized\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_false(identity_is_machine_id(texts[i], strlen(texts[i])));
    assert_false(identity_is_machine_id("ffffffff\0fff4fffbfffffffffffffff\n", 33));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine_id),
        cmocka_unit_test(test_what_is_no_machine_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
