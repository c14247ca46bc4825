#include "image/guid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_derive(void **state)
{
    _cleanup_text_ struct text inputs = TEXT_INIT, others = TEXT_INIT;
    char guid[GUID_TEXT_SIZE], again[GUID_TEXT_SIZE], other[GUID_TEXT_SIZE];

    (void)state;
    text_add(&inputs, "input a b\n");
    text_add(&others, "input a c\n");
    guid_derive(&inputs, "disk", guid);
    guid_derive(&inputs, "disk", again);
    assert_string_equal(guid, again);
    guid_derive(&inputs, "files", other);
    assert_string_not_equal(guid, other);
    guid_derive(&others, "disk", other);
    assert_string_not_equal(guid, other);
    /* RFC 9562: version 8, variant 10. */
    assert_int_equal(strlen(guid), GUID_TEXT_SIZE - 1);
    assert_int_equal(guid[14], '8');
    assert_non_null(strchr("89ab", guid[19]));
    for (size_t i = 0; guid[i]; i++)
        assert_true(i == 8 || i == 13 || i == 18 || i == 23
                        ? guid[i] == '-'
                        : strchr("0123456789abcdef", guid[i]) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_derive) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
