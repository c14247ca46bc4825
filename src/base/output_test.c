#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/cursor.h"
#include "base/output.h"

static void writes_little_endian(void **state)
{
    static const uint8_t expected[] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
                                        0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 'x' };
    uint8_t bytes[sizeof(expected)];
    struct output o = output_make(bytes, sizeof(bytes));

    output_u8(&o, 1);
    output_le16(&o, 0x0203);
    output_le32(&o, 0x04050607);
    output_le64(&o, 0x08090a0b0c0d0e0full);
    output_copy(&o, "x", 1);
    assert_true(output_fits(&o));
    assert_int_equal(o.size, sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void full_stays_as_it_was(void **state)
{
    uint8_t bytes[4] = { 9, 9, 9, 9 };
    struct output o = output_make(bytes, 3);

    output_le16(&o, 0x0102);
    output_le16(&o, 0x0304);
    assert_false(output_fits(&o));
    assert_int_equal(o.size, 2);
    assert_int_equal(bytes[2], 9);
    output_u8(&o, 1); /* would fit, but the record is spoilt */
    assert_int_equal(o.size, 2);
    assert_null(output_reserve(&o, 0));
}

static void empty_copy_is_allowed(void **state)
{
    struct output o = output_make(NULL, 0);

    output_copy(&o, NULL, 0);
    assert_true(output_fits(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_little_endian),
        cmocka_unit_test(full_stays_as_it_was),
        cmocka_unit_test(empty_copy_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
