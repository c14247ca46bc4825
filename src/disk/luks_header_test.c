#include "disk/luks_header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "disk/test_header.h"

enum {
    SIZE = LUKS_HEADER_SIZE_MIN,
    JSON_SIZE = SIZE - 4096,
    SEQUENCE_END = 23,
    TORN_AT = 4608, /* behind the first sector of the text */
};

static uint8_t original[LUKS_HEADER_SCAN_SIZE], bytes[LUKS_HEADER_SCAN_SIZE];
static struct luks_header header;

static int make_original(void **unused)
{
    (void)unused;
    test_header_make(original);
    return 0;
}

static int copy_original(void **unused)
{
    (void)unused;
    memcpy(bytes, original, sizeof(bytes));
    return 0;
}

static int scan(void)
{
    return luks_header_scan(bytes, sizeof(bytes), &header);
}

/* The same text in both copies, with checksums that fit. */
static void put_json(const char *text)
{
    for (size_t at = 0; at <= SIZE; at += SIZE) {
        char *json = test_header_json(bytes, at);

        assert_true(strlen(text) < JSON_SIZE);
        memset(json, 0, JSON_SIZE);
        memcpy(json, text, strlen(text));
        test_header_fix(bytes, at);
    }
}

static void test_real(void **unused)
{
    (void)unused;
    assert_int_equal(scan(), 0);
    assert_string_equal(header.label, "broch-persist");
    assert_string_equal(header.subsystem, "");
    assert_int_equal(strlen(header.uuid), 36);
    assert_int_equal(header.token_count, 1);
    assert_int_equal(header.tokens[0].sealed_size, 300);
    assert_int_equal(header.tokens[0].sealed[299], 0xfb);
}

/* The test's own idea of the checksum is the library's. */
static void test_fix(void **unused)
{
    (void)unused;
    test_header_fix(bytes, 0);
    test_header_fix(bytes, SIZE);
    assert_memory_equal(bytes, original, sizeof(bytes));
}

/* A power cut in one copy leaves the other; in both, nothing is believed. */
static void test_torn(void **unused)
{
    (void)unused;
    memset(bytes + TORN_AT, 0, SIZE - TORN_AT);
    assert_int_equal(scan(), 0);
    assert_int_equal(header.token_count, 1);
    memset(bytes + SIZE + TORN_AT, 0, SIZE - TORN_AT);
    assert_int_equal(scan(), -EBADMSG);
    memcpy(bytes, original, SIZE);
    assert_int_equal(scan(), 0);
    memset(bytes, 0, SIZE);
    assert_int_equal(scan(), -EBADMSG);
}

static void test_second_alone(void **unused)
{
    (void)unused;
    memset(bytes, 0, 512);
    assert_int_equal(scan(), 0);
    assert_int_equal(header.token_count, 1);
}

/* The higher sequence counts, wherever it stands. */
static void test_sequence(void **unused)
{
    (void)unused;
    for (size_t at = 0; at <= SIZE; at += SIZE) {
        memcpy(bytes, original, sizeof(bytes));
        bytes[at + SEQUENCE_END] += 5;
        bytes[at + 24] = 'X'; /* the first letter of its label */
        test_header_fix(bytes, at);
        assert_int_equal(scan(), 0);
        assert_int_equal(header.label[0], 'X');
        assert_int_equal(header.sequence, bytes[at + SEQUENCE_END]);
    }
}

/* Every flipped bit of the binary part, and some of the text, is found in both copies at once. The
 * checksum's field is longer than a SHA-256; the rest of it is nothing. */
static bool is_unused(size_t offset)
{
    return offset >= 0x1e0 && offset < 0x200;
}

static void test_flips(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SIZE; i += i < 512 ? 1 : 611) {
        for (unsigned bit = 0; bit < 8 && !is_unused(i); bit++) {
            memcpy(bytes, original, sizeof(bytes));
            bytes[i] ^= (uint8_t)(1u << bit);
            bytes[SIZE + i] ^= (uint8_t)(1u << bit);
            assert_true(scan() < 0);
        }
    }
}

static void test_sizes(void **unused)
{
    static const uint64_t sizes[] = { 0,      1,       4096,       8192,       SIZE - 1,   SIZE + 1,
                                      131072, 4194304, 1ull << 32, 1ull << 63, UINT64_MAX, 24576 };

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned byte = 0; byte < 8; byte++) {
            bytes[15 - byte] = (uint8_t)(sizes[i] >> 8 * byte);
            bytes[SIZE + 15 - byte] = (uint8_t)(sizes[i] >> 8 * byte);
        }
        assert_int_equal(scan(), -EBADMSG);
    }
}

static void test_short(void **unused)
{
    static const size_t sizes[] = { 0, 5, 6, 8, 15, 511, 4095, 4096, SIZE - 1 };

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_true(luks_header_scan(bytes, sizes[i], &header) < 0);
    assert_int_equal(luks_header_scan(bytes, SIZE, &header), 0);
}

static void test_nothing(void **unused)
{
    (void)unused;
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(scan(), -ENOENT);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(scan(), -ENOENT);
    memcpy(bytes, original, sizeof(bytes));
    bytes[7] = bytes[SIZE + 7] = 1; /* LUKS1 */
    assert_int_equal(scan(), -ENOENT);
}

/* With right checksums: what an attacker writes. */
static void test_texts(void **unused)
{
    static const char *const bad[] = { "",
                                       "{",
                                       "[]",
                                       "{}",
                                       "{\"tokens\":[]}",
                                       "{\"tokens\":{}",
                                       "{\"tokens\":{},\"tokens\":{}}",
                                       "{\"tokens\":{}} x",
                                       "{\"tokens\":{\"0\":}}",
                                       "{\"tokens\":\"\x01\"}" };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_json(bad[i]);
        assert_int_equal(scan(), -EBADMSG);
    }
    put_json("{\"tokens\":{\"0\":{\"type\":\"broch-tpm2\"},\"1\":{\"type\":\"other\"}}}");
    assert_int_equal(scan(), 0);
    assert_int_equal(header.token_count, 0);
}

static void test_nesting(void **unused)
{
    static char text[JSON_SIZE];

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        memset(text, 0, sizeof(text));
        memset(text, "[{["[i], sizeof(text) - 1);
        if (i > 0)
            memcpy(text, "{\"x\":", 5);
        put_json(text);
        assert_int_equal(scan(), -EBADMSG);
    }
}

static void test_fields(void **unused)
{
    (void)unused;
    for (size_t at = 0; at <= SIZE; at += SIZE) {
        memset(bytes + at + 24, 'x', LUKS_HEADER_LABEL_SIZE); /* no zero at the end */
        test_header_fix(bytes, at);
    }
    assert_int_equal(scan(), -EBADMSG);
    memcpy(bytes, original, sizeof(bytes));
    for (size_t at = 0; at <= SIZE; at += SIZE) {
        bytes[at + 0xa8] = '/'; /* the UUID becomes part of names */
        test_header_fix(bytes, at);
    }
    assert_int_equal(scan(), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_real, copy_original),
        cmocka_unit_test_setup(test_fix, copy_original),
        cmocka_unit_test_setup(test_torn, copy_original),
        cmocka_unit_test_setup(test_second_alone, copy_original),
        cmocka_unit_test_setup(test_sequence, copy_original),
        cmocka_unit_test_setup(test_flips, copy_original),
        cmocka_unit_test_setup(test_sizes, copy_original),
        cmocka_unit_test_setup(test_short, copy_original),
        cmocka_unit_test_setup(test_nothing, copy_original),
        cmocka_unit_test_setup(test_texts, copy_original),
        cmocka_unit_test_setup(test_nesting, copy_original),
        cmocka_unit_test_setup(test_fields, copy_original),
    };

    return cmocka_run_group_tests(tests, make_original, NULL);
}
