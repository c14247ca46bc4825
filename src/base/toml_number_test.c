#include "base/toml_number.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/line.h"

static void test_integers(void **state)
{
    static const struct {
        const char *token;
        int result;
        int64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "-0", 0, 0 },
        { "+7", 0, 7 },
        { "1_0", 0, 10 },
        { "0xFf", 0, 255 },
        { "0o17", 0, 15 },
        { "0b10", 0, 2 },
        { "9223372036854775807", 0, INT64_MAX },
        { "-9223372036854775808", 0, INT64_MIN },
        { "9223372036854775808", -ERANGE, 0 },
        { "-9223372036854775809", -ERANGE, 0 },
        { "0x8000000000000000", -ERANGE, 0 },
        { "18446744073709551616", -ERANGE, 0 },
        { "", -EBADMSG, 0 },
        { "+", -EBADMSG, 0 },
        { "01", -EBADMSG, 0 },
        { "0x", -EBADMSG, 0 },
        { "0x_1", -EBADMSG, 0 },
        { "1.0", -EBADMSG, 0 },
        { "1_", -EBADMSG, 0 },
        { "_1", -EBADMSG, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t value = 12345;

        assert_int_equal(toml_number_integer(cases[i].token, strlen(cases[i].token), &value),
                         cases[i].result);
        assert_true(value == (cases[i].result == 0 ? cases[i].value : 12345));
    }
}

static void test_floats(void **state)
{
    static const struct {
        const char *token;
        int result;
        double value;
    } cases[] = {
        { "1.5", 0, 1.5 },       { "-0.25e1_0", 0, -2.5e9 }, { "1e0", 0, 1 },
        { "inf", 0, HUGE_VAL },  { "-inf", 0, -HUGE_VAL },   { "1e-5000", 0, 0 },
        { "1e309", -ERANGE },    { "-1e309", -ERANGE },      { "1", -EBADMSG },
        { "1.", -EBADMSG },      { ".1", -EBADMSG },         { "1e", -EBADMSG },
        { "1.0e1.0", -EBADMSG }, { "", -EBADMSG },           { "in", -EBADMSG },
        { "infi", -EBADMSG },    { "0x1p1", -EBADMSG },      { "01.0", -EBADMSG },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        double value = 12345;

        assert_int_equal(toml_number_float(cases[i].token, strlen(cases[i].token), &value),
                         cases[i].result);
        if (cases[i].result == 0)
            assert_memory_equal(&value, &cases[i].value, sizeof(value));
        else
            assert_true(value > 12344 && value < 12346);
    }
}

static void test_is_time(void **state)
{
    static const struct {
        const char *token;
        bool is_time;
    } cases[] = {
        { "07:32:00", true }, { "07:", true },     { "1979-05-27", true }, { "1979-", true },
        { "1979", false },    { "1.2e-5", false }, { "-979-", false },     { "1_79-05-27", false },
        { "", false },        { "12", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(toml_number_is_time(cases[i].token, strlen(cases[i].token)),
                         cases[i].is_time);
}

/* Every prefix and every changed byte of a full time: only the whole grammar is accepted, and a
 * refusal writes nothing. */
static void test_damaged_times(void **state)
{
    static const char whole[] = "1979-05-27T07:32:00.5+01:30";
    static const size_t good_sizes[] = { 10, 19, 21, 27 }; /* date, time, fraction, offset */
    size_t accepted = 0;

    (void)state;
    for (size_t size = 0; size < sizeof(whole); size++) {
        struct toml_time time = { .year = 9 };
        enum toml_kind kind = TOML_STRING;
        bool is_good = accepted < ARRAY_SIZE(good_sizes) && size == good_sizes[accepted];

        accepted += is_good ? 1 : 0;
        assert_int_equal(toml_number_time(whole, size, &kind, &time), is_good ? 0 : -EBADMSG);
        assert_int_equal(time.year, is_good ? 1979 : 9);
        assert_int_equal(kind == TOML_STRING, !is_good);
    }
    assert_int_equal(accepted, ARRAY_SIZE(good_sizes));
    for (size_t i = 0; i + 1 < sizeof(whole); i++) {
        char token[sizeof(whole)];
        struct toml_time time;
        enum toml_kind kind;

        memcpy(token, whole, sizeof(whole));
        token[i] = 'x';
        assert_int_equal(toml_number_time(token, sizeof(whole) - 1, &kind, &time), -EBADMSG);
    }
}

/* A generator with a fixed seed: failures repeat. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void test_numbers_round_trip(void **state)
{
    uint64_t seed = 20261120;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&seed) >> i % 64;
        char token[64];
        struct line l = line_make(token, sizeof(token));
        int64_t integer = 0;
        double number, decoded = 0;

        line_addf(&l, "%lld", (long long)bits);
        assert_int_equal(toml_number_integer(token, l.length, &integer), 0);
        assert_true(integer == (int64_t)bits);
        memcpy(&number, &bits, sizeof(number));
        l = line_make(token, sizeof(token));
        line_addf(&l, "%.16e", number);
        if (!isfinite(number))
            continue;
        assert_int_equal(toml_number_float(token, l.length, &decoded), 0);
        assert_memory_equal(&decoded, &number, sizeof(number));
    }
}

/* Every day of 400 years exists or not, by the rule of the Gregorian calendar told another way. */
static void test_days(void **state)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    (void)state;
    for (unsigned i = 0; i < 400 * 12 * 32; i++) {
        unsigned year = 1800 + i / (12 * 32), month = i / 32 % 12, day = i % 32;
        bool is_leap = (year % 400 == 0) || (year % 100 != 0 && year % 4 == 0);
        unsigned last = days[month] + (month == 1 && is_leap ? 1u : 0u);
        char token[16];
        struct line l = line_make(token, sizeof(token));
        struct toml_time time;
        enum toml_kind kind;

        line_addf(&l, "%04u-%02u-%02u", year, month + 1, day);
        assert_int_equal(toml_number_time(token, l.length, &kind, &time),
                         day >= 1 && day <= last ? 0 : -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_is_time),
        cmocka_unit_test(test_damaged_times),
        cmocka_unit_test(test_numbers_round_trip),
        cmocka_unit_test(test_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
