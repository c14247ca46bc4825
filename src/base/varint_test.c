#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/varint.h"

static void every_length_comes_back(void **state)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t off = 0; off <= 2; off++) {
            uint64_t value = ((uint64_t)1 << bit) - 1 + off;
            uint8_t bytes[VARINT_SIZE_MAX];
            struct output o = output_make(bytes, sizeof(bytes));
            struct cursor c;

            varint_write(&o, value);
            assert_true(output_fits(&o));
            assert_int_equal(o.size, varint_size(value));
            c = cursor_make(bytes, o.size);
            assert_true(varint_read(&c, UINT64_MAX) == value);
            assert_true(cursor_finished(&c));
        }
    }
}

static bool accepts(const uint8_t *bytes, size_t size, uint64_t limit)
{
    struct cursor c = cursor_make(bytes, size);

    (void)varint_read(&c, limit); /* only acceptance matters */
    return !c.failed;
}

static void only_the_shortest_form(void **state)
{
    assert_true(accepts((const uint8_t[]){ 0x00 }, 1, 0));
    assert_false(accepts((const uint8_t[]){ 0x80, 0x00 }, 2, UINT64_MAX));
    assert_false(accepts((const uint8_t[]){ 0xff, 0x80, 0x00 }, 3, UINT64_MAX));
    assert_true(accepts((const uint8_t[]){ 0x80, 0x01 }, 2, UINT64_MAX));
}

static void limits_hold(void **state)
{
    static const uint8_t top[] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 };
    static const uint8_t over[] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 2 };
    static const uint8_t endless[] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0 };

    assert_true(accepts(top, sizeof(top), UINT64_MAX));
    assert_false(accepts(top, sizeof(top), UINT64_MAX - 1));
    assert_false(accepts(over, sizeof(over), UINT64_MAX));
    assert_false(accepts(endless, sizeof(endless), UINT64_MAX));
    for (size_t size = 0; size < sizeof(top); size++)
        assert_false(accepts(top, size, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(only_the_shortest_form),
        cmocka_unit_test(limits_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
