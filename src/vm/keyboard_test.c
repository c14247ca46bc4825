#include "vm/keyboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_keys(void **state)
{
    char letter[2];

    (void)state;
    assert_string_equal(keyboard_key('7', letter), "7");
    assert_string_equal(keyboard_key('q', letter), "q");
    assert_string_equal(keyboard_key('-', letter), "minus");
    assert_string_equal(keyboard_key(' ', letter), "spc");
    assert_string_equal(keyboard_key('\n', letter), "ret");
}

static void test_all_others(void **state)
{
    char letter[2];

    (void)state;
    for (int i = -128; i < 128; i++) {
        bool known =
            i == '\n' || i == ' ' || i == '-' || (i >= '0' && i <= '9') || (i >= 'a' && i <= 'z');

        assert_int_equal(keyboard_key((char)i, letter) != NULL, known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
