#include "disk/recovery_key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t sample[RECOVERY_KEY_SIZE] = { 0x00, 0x00, 0xff, 0xff, 0x12, 0x34, 0x00, 0x01,
                                                   0x80, 0x00, 0x7f, 0xff, 0xab, 0xcd, 0x00, 0xff };
#define SAMPLE_TEXT "000000-720885-051260-000011-360448-360437-483791-002805"

static void make_sample(struct secret *ret)
{
    recovery_key_encode(sample, ret);
}

static int parse(const char *typed, struct secret *ret, unsigned *ret_group)
{
    return recovery_key_parse(typed, strlen(typed), ret, ret_group);
}

static bool is_same(const struct secret *a, const struct secret *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void test_format(void **unused)
{
    struct secret digits = SECRET_INIT;
    char text[RECOVERY_KEY_TEXT_SIZE];

    (void)unused;
    make_sample(&digits);
    recovery_key_format(&digits, text);
    assert_string_equal(text, SAMPLE_TEXT);
}

/* With dashes, blanks, many of them, none, and at the ends. */
static void test_typed(void **unused)
{
    static const char *const ways[] = {
        SAMPLE_TEXT,
        "000000720885051260000011360448360437483791002805",
        "  000000 720885  051260 000011\t360448 -- 360437 483791 002805 \r\n",
        "000000720885-051260000011360448 360437483791002805",
    };
    struct secret wanted = SECRET_INIT, got = SECRET_INIT;
    unsigned group = 0;

    (void)unused;
    make_sample(&wanted);
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        secret_wipe(&got);
        assert_int_equal(parse(ways[i], &got, &group), 0);
        assert_true(is_same(&got, &wanted));
    }
    assert_int_equal(group, 0);
}

/* Every wrong digit and every swap of neighbours inside a group is found, in its group. */
static void test_slips(void **unused)
{
    struct secret got = SECRET_INIT;

    (void)unused;
    for (size_t i = 0; i < sizeof(SAMPLE_TEXT) - 1; i++) {
        unsigned wanted = (unsigned)(i / 7) + 1;
        char typed[] = SAMPLE_TEXT;

        if (typed[i] == '-')
            continue;
        for (char c = '0'; c <= '9'; c++) {
            unsigned group = 0;

            typed[i] = c;
            if (c == SAMPLE_TEXT[i])
                continue;
            assert_int_equal(parse(typed, &got, &group), -EBADMSG);
            assert_int_equal(group, wanted);
        }
        typed[i] = typed[i + 1];
        typed[i + 1] = SAMPLE_TEXT[i];
        if (typed[i] != '-' && typed[i] != '\0' && typed[i] != typed[i + 1]) {
            unsigned group = 0;

            assert_int_equal(parse(typed, &got, &group), -EBADMSG);
            assert_int_equal(group, wanted);
        }
    }
    assert_int_equal(got.size, 0);
}

static void test_refused(void **unused)
{
    static const struct {
        const char *typed;
        int result;
        unsigned group;
    } cases[] = {
        { "", -EBADMSG, 1 },
        { "000000", -EBADMSG, 2 },
        { "00000-720885-051260-000011-360448-360437-483791-002805", -EBADMSG, 1 },
        { "000000-720885-051260-00011-360448-360437-483791-002805", -EBADMSG, 4 },
        { "000000-720885-051260-000011-360448-360437-483791-00280", -EBADMSG, 8 },
        { "000000-72O885-051260-000011-360448-360437-483791-002805", -EBADMSG, 2 },
        { "000000-720896-051260-000011-360448-360437-483791-002805", -EBADMSG, 2 }, /* 11 * 65536 */
        { SAMPLE_TEXT "-000000", -ERANGE, 0 },
        { SAMPLE_TEXT "0", -ERANGE, 0 },
        { SAMPLE_TEXT "x", -ERANGE, 0 },
    };
    struct secret got = SECRET_INIT;
    char blank[RECOVERY_KEY_TYPED_MAX + 1];
    unsigned group = 0;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        group = 0;
        if (parse(cases[i].typed, &got, &group) != cases[i].result || group != cases[i].group)
            fail_msg("'%s' gave group %u", cases[i].typed, group);
    }
    memset(blank, ' ', sizeof(blank));
    assert_int_equal(recovery_key_parse(blank, sizeof(blank), &got, &group), -ERANGE);
    assert_int_equal(recovery_key_parse(blank, sizeof(blank) - 1, &got, &group), -EBADMSG);
    assert_int_equal(got.size, 0);
}

/* All values of a group come back. */
static void test_all(void **unused)
{
    (void)unused;
    for (uint32_t value = 0; value < 65536; value += RECOVERY_KEY_GROUPS) {
        struct secret digits = SECRET_INIT, got = SECRET_INIT;
        char text[RECOVERY_KEY_TEXT_SIZE], wanted[8];
        uint8_t random[RECOVERY_KEY_SIZE];
        unsigned group = 0;

        for (uint32_t i = 0; i < RECOVERY_KEY_GROUPS; i++) {
            random[2 * i] = (uint8_t)((value + i) >> 8);
            random[2 * i + 1] = (uint8_t)(value + i);
        }
        recovery_key_encode(random, &digits);
        recovery_key_format(&digits, text);
        assert_int_equal(parse(text, &got, &group), 0);
        assert_true(is_same(&digits, &got));
        (void)snprintf(wanted, sizeof(wanted), "%06u", 11 * (value + 7));
        assert_memory_equal(digits.bytes + 42, wanted, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),  cmocka_unit_test(test_typed), cmocka_unit_test(test_slips),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
