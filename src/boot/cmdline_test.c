#include "boot/cmdline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "boot/initrd.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0f"
#define GOOD                                                                                       \
    "console=tty0 console=ttyS0,115200 panic=5 broch.generation=v0.1.0-node-amd64 "                \
    "broch.profile=node broch.epoch=7 broch.verity=" HASH

static void assert_refused(const char *text, const char *words)
{
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    memset(&c, 0x5a, sizeof(c));
    assert_int_equal(cmdline_parse(text, strlen(text), &c, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_BOOT_CMDLINE_SYNTAX);
    assert_non_null(strstr(f.text, words));
    for (size_t i = 0; i < sizeof(c); i++) /* outputs are untouched */
        assert_int_equal(((const unsigned char *)&c)[i], 0x5a);
}

static void test_good(void **unused)
{
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    (void)unused;
    assert_int_equal(cmdline_parse(GOOD, strlen(GOOD), &c, &f), 0);
    assert_string_equal(c.generation, "v0.1.0-node-amd64");
    assert_string_equal(c.profile, "node");
    assert_int_equal(c.epoch, 7);
    assert_int_equal(c.verity[0], 0x00);
    assert_int_equal(c.verity[31], 0x0f);
}

static void test_refused(void **unused)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "", "0 bytes" },
        { "console=tty0", "missing key: 'broch.generation'" },
        { "broch.generation=v1 broch.profile=node broch.epoch=1", "missing key: 'broch.verity'" },
        { GOOD " broch.verity=" HASH, "repeated key: 'broch.verity'" },
        { GOOD " broch.epoch=7", "repeated key: 'broch.epoch'" },
        { GOOD " broch.debug=1", "unknown key: 'broch.debug'" },
        { GOOD " broch.", "unknown key: 'broch.'" },
        { GOOD " broch.verity", "repeated key" },
        { "broch.verity " GOOD, "bad value: 'broch.verity'" },
        { "broch.verity= " GOOD, "bad value" },
        { "broch.epoch=-1 " GOOD, "bad value" },
        { "broch.epoch=01 " GOOD, "bad value" },
        { "broch.epoch=4294967296 " GOOD, "bad value" },
        { "broch.profile=1node " GOOD, "bad value" },
        { "broch.profile=No " GOOD, "bad value" },
        { "broch.profile=abcdefghijklmnopqrstuvwxyzabcdefg " GOOD, "bad value" },
        { "broch.generation=a/b " GOOD, "bad value" },
        { "broch.verity=AA112233445566778899aabbccddeeff00112233445566778899aabbccddee0f " GOOD,
          "bad value" },
        { "a=\"b c\" " GOOD, "byte 0x22" },
        { "a\nb " GOOD, "byte 0x0a" },
        { "a\x80 " GOOD, "byte 0x80" },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].text, cases[i].words);
}

static void test_words_of_others(void **unused)
{
    static const char text[] = " xbroch.verity=1  BROCH.X=1 a=broch.y=2 " GOOD "  ";
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    (void)unused;
    assert_int_equal(cmdline_parse(text, strlen(text), &c, &f), 0);
}

static void test_longest(void **unused)
{
    char text[INITRD_CMDLINE_MAX + 2];
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    (void)unused;
    memset(text, ' ', sizeof(text));
    memcpy(text, GOOD, strlen(GOOD));
    assert_int_equal(cmdline_parse(text, INITRD_CMDLINE_MAX, &c, &f), 0);
    assert_int_equal(cmdline_parse(text, INITRD_CMDLINE_MAX + 1, &c, &f), -EBADMSG);
}

/* Whatever is cut off, the last key is missing or its value too short. */
static void test_truncated(void **unused)
{
    struct failure f = FAILURE_NONE;
    struct cmdline c;

    (void)unused;
    for (size_t length = 0; length < strlen(GOOD); length++)
        assert_int_equal(cmdline_parse(GOOD, length, &c, &f), -EBADMSG);
}

/* A flipped bit is refused, or gives another value, or was in a word of the kernel's; it is never
 * unnoticed by the comparison. */
static void test_flipped(void **unused)
{
    char text[] = GOOD;
    struct failure f = FAILURE_NONE;

    (void)unused;
    for (size_t bit = 0; bit < 8 * strlen(GOOD); bit++) {
        struct cmdline c;

        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        if (cmdline_parse(text, strlen(GOOD), &c, &f) == 0) {
            assert_true(strlen(c.generation) > 0 && strlen(c.profile) > 0);
            assert_true(c.epoch <= CMDLINE_EPOCH_MAX);
        }
        assert_false(cmdline_same(GOOD, strlen(GOOD), text, strlen(GOOD)));
        text[bit / 8] = GOOD[bit / 8];
    }
}

static void test_same(void **unused)
{
    (void)unused;
    assert_true(cmdline_same("a b", 3, "a b", 3));
    assert_true(cmdline_same("a b", 3, "a b\n", 4));
    assert_false(cmdline_same("a b", 3, "a b\n\n", 5));
    assert_false(cmdline_same("a b", 3, "a b ", 4));
    assert_false(cmdline_same("a b", 3, "a b c", 5));
    assert_false(cmdline_same("a b", 3, "a ", 2));
    assert_false(cmdline_same("a b", 3, "", 0));
    assert_true(cmdline_same("", 0, "\n", 1)); /* refused by the parser then */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_longest),   cmocka_unit_test(test_words_of_others),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
