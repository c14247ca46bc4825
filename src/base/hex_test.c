#include "base/hex.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static void test_encode(void **state)
{
    static const uint8_t bytes[] = { 0x00, 0x09, 0x0a, 0x7f, 0x80, 0xff };
    char text[2 * sizeof(bytes) + 1];

    (void)state;
    hex_encode(bytes, sizeof(bytes), text);
    assert_string_equal(text, "00090a7f80ff");
    hex_encode(bytes, 0, text);
    assert_string_equal(text, "");
}

/* decode(encode(x)) = x for every byte, beside every other byte. */
static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256 * 256; i++) {
        uint8_t bytes[] = { (uint8_t)(i >> 8), (uint8_t)i }, decoded[2] = { 0 };
        char text[5];

        hex_encode(bytes, sizeof(bytes), text);
        assert_int_equal(hex_decode(text, 4, decoded, sizeof(decoded)), 0);
        assert_memory_equal(decoded, bytes, sizeof(bytes));
    }
}

static void test_decode(void **state)
{
    uint8_t bytes[3] = { 0 };

    (void)state;
    assert_int_equal(hex_decode("aBcDeF", 6, bytes, 3), 0);
    assert_memory_equal(bytes, "\xab\xcd\xef", 3);
    assert_int_equal(hex_decode("", 0, bytes, 0), 0);
}

/* Every character in every place: exactly the digits are accepted, and a refusal writes nothing. */
static void test_each_character(void **state)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    (void)state;
    for (int character = 0; character < 256; character++) {
        for (size_t place = 0; place < 4; place++) {
            char text[] = { '1', '2', '3', '4' };
            uint8_t bytes[2] = { 0xaa, 0xaa };
            bool is_digit = character != 0 && strchr(digits, character);

            text[place] = (char)character;
            assert_int_equal(hex_decode(text, 4, bytes, 2), is_digit ? 0 : -EBADMSG);
            if (!is_digit)
                assert_memory_equal(bytes, "\xaa\xaa", 2);
        }
    }
}

static void test_wrong_length(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 8; length++) {
        uint8_t bytes[2] = { 0xaa, 0xaa };

        assert_int_equal(hex_decode("12345678", length, bytes, 2), length == 4 ? 0 : -EBADMSG);
        if (length != 4)
            assert_memory_equal(bytes, "\xaa\xaa", 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),       cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_decode),       cmocka_unit_test(test_each_character),
        cmocka_unit_test(test_wrong_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
