#include "boot/key_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Groups are multiples of eleven. */
#define GROUP "000011"

static enum key_entry_result type(struct key_entry *e, const char *text)
{
    enum key_entry_result result = KEY_ENTRY_NOTHING;

    for (; *text; text++)
        result = key_entry_feed(e, (uint8_t)*text);
    return result;
}

static void test_whole_key(void **state)
{
    struct key_entry e = { 0 };

    (void)state;
    for (unsigned i = 1; i < RECOVERY_KEY_GROUPS; i++) {
        assert_int_equal(key_entry_group(&e), i);
        assert_int_equal(type(&e, GROUP), KEY_ENTRY_GROUP);
        assert_int_equal(type(&e, " - x\x1b"), KEY_ENTRY_NOTHING);
    }
    assert_int_equal(type(&e, "00001"), KEY_ENTRY_DIGIT);
    assert_int_equal(type(&e, "1"), KEY_ENTRY_DONE);
    assert_int_equal(e.count, RECOVERY_KEY_DIGITS);
    for (size_t i = 0; i < RECOVERY_KEY_DIGITS; i++)
        assert_int_equal(e.digits[i], GROUP[i % RECOVERY_KEY_GROUP_DIGITS]);
}

/* Only the mistyped group has to be typed again, and nothing of it stays. */
static void test_bad_group(void **state)
{
    struct key_entry e = { 0 };

    (void)state;
    assert_int_equal(type(&e, GROUP), KEY_ENTRY_GROUP);
    assert_int_equal(type(&e, "000012"), KEY_ENTRY_BAD_GROUP);
    assert_int_equal(e.count, RECOVERY_KEY_GROUP_DIGITS);
    assert_int_equal(key_entry_group(&e), 2);
    assert_int_equal(e.digits[RECOVERY_KEY_GROUP_DIGITS], 0);
    assert_int_equal(type(&e, "000022"), KEY_ENTRY_GROUP);
}

static void test_erase(void **state)
{
    struct key_entry e = { 0 };

    (void)state;
    assert_int_equal(type(&e, "\x7f"), KEY_ENTRY_NOTHING);
    assert_int_equal(type(&e, "00001\x08"), KEY_ENTRY_ERASED);
    assert_int_equal(e.count, 4);
    assert_int_equal(e.digits[4], 0);
    assert_int_equal(type(&e, "11"), KEY_ENTRY_GROUP);
    assert_int_equal(type(&e, "\x7f"), KEY_ENTRY_ERASED); /* into the group before */
    assert_int_equal(type(&e, "\r"), KEY_ENTRY_SHORT);
    assert_int_equal(e.count, 5);
    assert_int_equal(type(&e, "\x15"), KEY_ENTRY_CLEARED);
    assert_int_equal(e.count, 0);
    assert_int_equal(e.digits[0], 0);
    assert_int_equal(type(&e, "1\x03"), KEY_ENTRY_CLEARED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_key),
        cmocka_unit_test(test_bad_group),
        cmocka_unit_test(test_erase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
