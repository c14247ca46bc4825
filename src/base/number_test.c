#include "base/number.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/line.h"
#include "base/test_death.h"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        uint64_t limit;
        int result;
        uint64_t value;
    } cases[] = {
        { "0", 0, 0, 0 },
        { "7", 7, 0, 7 },
        { "8", 7, -ERANGE, 0 },
        { "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999999", UINT64_MAX, -ERANGE, 0 },
        { "", 9, -EBADMSG, 0 },
        { "00", 9, -EBADMSG, 0 },
        { "01", 9, -EBADMSG, 0 },
        { "+1", 9, -EBADMSG, 0 },
        { "-1", 9, -EBADMSG, 0 },
        { " 1", 9, -EBADMSG, 0 },
        { "1 ", 9, -EBADMSG, 0 },
        { "1\n", 9, -EBADMSG, 0 },
        { "0x1", 9, -EBADMSG, 0 },
        { "1e1", 99, -EBADMSG, 0 },
        { "1.0", 9, -EBADMSG, 0 },
        { "1_0", 99, -EBADMSG, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t value = 12345;

        assert_int_equal(number_parse_text(cases[i].text, cases[i].limit, &value), cases[i].result);
        assert_true(value == (cases[i].result == 0 ? cases[i].value : 12345));
    }
}

/* Every byte in every place of a number: only digits are. */
static void test_each_character(void **state)
{
    (void)state;
    for (int character = 0; character < 256; character++) {
        for (size_t place = 0; place < 3; place++) {
            char text[] = { '1', '2', '3' };
            bool is_good = character >= (place == 0 ? '1' : '0') && character <= '9';
            uint64_t value = 0;

            text[place] = (char)character;
            assert_int_equal(number_parse(text, 3, 999, &value), is_good ? 0 : -EBADMSG);
        }
    }
}

static void test_length_is_kept(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_int_equal(number_parse("123456", 3, UINT64_MAX, &value), 0);
    assert_int_equal(value, 123);
    assert_int_equal(number_parse("1\0", 2, UINT64_MAX, &value), -EBADMSG);
}

static void test_size(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "17", 0, 17 },
        { "1KiB", 0, 1024 },
        { "32MiB", 0, 32 * MIB },
        { "2GiB", 0, 2 * GIB },
        { "17179869183GiB", 0, 17179869183 * GIB },
        { "17179869184GiB", -ERANGE, 0 },
        { "18446744073709551616", -ERANGE, 0 },
        { "", -EBADMSG, 0 },
        { "MiB", -EBADMSG, 0 },
        { "1 MiB", -EBADMSG, 0 },
        { "1MiB ", -EBADMSG, 0 },
        { "1MB", -EBADMSG, 0 },
        { "1mib", -EBADMSG, 0 },
        { "1M", -EBADMSG, 0 },
        { "1TiB", -EBADMSG, 0 },
        { "01MiB", -EBADMSG, 0 },
        { "-1MiB", -EBADMSG, 0 },
        { "1.5MiB", -EBADMSG, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t value = 12345;

        assert_int_equal(number_parse_size(cases[i].text, &value), cases[i].result);
        assert_true(value == (cases[i].result == 0 ? cases[i].value : 12345));
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t value;
    } cases[] = {
        { "0s", 0, 0 },
        { "250ms", 0, 250 * NS_PER_MS },
        { "30s", 0, 30 * NS_PER_S },
        { "5min", 0, 300 * NS_PER_S },
        { "2h", 0, 7200 * NS_PER_S },
        { "30", -EBADMSG, 0 }, /* of what? */
        { "s", -EBADMSG, 0 },
        { "", -EBADMSG, 0 },
        { "030s", -EBADMSG, 0 },
        { "3 s", -EBADMSG, 0 },
        { "3m", -EBADMSG, 0 },
        { "1.5s", -EBADMSG, 0 },
        { "-1s", -EBADMSG, 0 },
        { "30S", -EBADMSG, 0 },
        { "18446744073709551615s", -ERANGE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t value = 12345;

        assert_int_equal(number_parse_duration(cases[i].text, &value), cases[i].result);
        assert_true(value == (cases[i].result == 0 ? cases[i].value : 12345));
    }
}

static void test_arithmetic(void **state)
{
    uint64_t value = 1;

    (void)state;
    assert_true(add_ok(UINT64_MAX - 1, 1, &value) && value == UINT64_MAX);
    assert_false(add_ok(UINT64_MAX, 1, &value));
    assert_true(value == UINT64_MAX);
    assert_true(mul_ok(UINT32_MAX, UINT32_MAX, &value));
    assert_true(value == (uint64_t)UINT32_MAX * UINT32_MAX);
    value = 5;
    assert_false(mul_ok((uint64_t)1 << 32, (uint64_t)1 << 32, &value));
    assert_int_equal(value, 5);
    assert_true(mul_ok(0, UINT64_MAX, &value) && value == 0);
}

/* parse(print(x)) = x around every power of two, where carries are. */
static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t delta = 0; delta < 3; delta++) {
            uint64_t number = ((uint64_t)1 << shift) + delta - 1, value = 0;
            char text[32];
            struct line l = line_make(text, sizeof(text));

            line_addf(&l, "%llu", (unsigned long long)number);
            assert_int_equal(number_parse_text(text, number, &value), 0);
            assert_true(value == number);
            if (number > 0)
                assert_int_equal(number_parse_text(text, number - 1, &value), -ERANGE);
        }
    }
}

static void test_round_up(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 70; value++) {
        for (uint64_t step = 1; step <= 32; step *= 2) {
            uint64_t rounded = round_up(value, step);

            assert_true(rounded >= value && rounded - value < step && rounded % step == 0);
        }
    }
    assert_true(round_up(UINT64_MAX - 4095, 4096) == UINT64_MAX - 4095);
}

static void round_to_zero(void)
{
    (void)round_up(1, 0);
}

static void round_to_three(void)
{
    (void)round_up(1, 3);
}

static void round_too_far(void)
{
    (void)round_up(UINT64_MAX - 4094, 4096);
}

static void test_round_up_checks(void **state)
{
    (void)state;
    assert_true(test_death_by_abort(round_to_zero, NULL, 0));
    assert_true(test_death_by_abort(round_to_three, NULL, 0));
    assert_true(test_death_by_abort(round_too_far, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_each_character),
        cmocka_unit_test(test_length_is_kept),  cmocka_unit_test(test_size),
        cmocka_unit_test(test_durations),       cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_round_up),
        cmocka_unit_test(test_round_up_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
