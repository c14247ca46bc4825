#include "disk/gpt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "disk/test_gpt.h"

/* As sfdisk wrote it: a partition of 180,224 blocks. */
static const uint8_t entry[56] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b,
                                   0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b, 0xaa, 0xaa, 0xaa, 0xaa,
                                   0x00, 0x00, 0x00, 0x40, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00,
                                   0x00, 0x0a, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                   0xff, 0xc7, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                   0x00, 0x00, 0x00, 0x00, 0x00, 0x00 };

static void make_block(uint8_t block[static 512])
{
    memset(block, 0, 512);
    memcpy(block, test_gpt_header, sizeof(test_gpt_header));
}

static void make_entry(uint8_t bytes[static GPT_ENTRY_SIZE_MIN])
{
    memset(bytes, 0, GPT_ENTRY_SIZE_MIN);
    memcpy(bytes, entry, sizeof(entry));
}

static void test_header(void **unused)
{
    uint8_t block[512];
    struct gpt_header h;

    (void)unused;
    make_block(block);
    assert_int_equal(gpt_header_parse(block, sizeof(block), GPT_FIRST_BLOCK, &h), 0);
    assert_int_equal(h.entries_block, 2);
    assert_int_equal(h.entry_count, 128);
    assert_int_equal(h.entry_size, 128);
}

/* The checksum finds every flipped bit of the header, and nothing after it is looked at. */
static void test_header_damaged(void **unused)
{
    uint8_t block[512];
    struct gpt_header h;

    (void)unused;
    make_block(block);
    for (size_t bit = 0; bit < 8 * sizeof(block); bit++) {
        block[bit / 8] = (uint8_t)(block[bit / 8] ^ (1 << (bit % 8)));
        assert_int_equal(gpt_header_parse(block, sizeof(block), GPT_FIRST_BLOCK, &h),
                         bit / 8 < sizeof(test_gpt_header) ? -EBADMSG : 0);
        block[bit / 8] = (uint8_t)(block[bit / 8] ^ (1 << (bit % 8)));
    }
    for (size_t size = 0; size < sizeof(test_gpt_header); size++)
        assert_int_equal(gpt_header_parse(block, size, GPT_FIRST_BLOCK, &h), -EBADMSG);
}

static void test_entry(void **unused)
{
    uint8_t bytes[GPT_ENTRY_SIZE_MIN];
    struct gpt_entry e;

    (void)unused;
    make_entry(bytes);
    assert_int_equal(gpt_entry_parse(bytes, &e), 0);
    assert_string_equal(e.type.text, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_string_equal(e.uuid.text, "aaaaaaaa-0000-4000-8000-00000000000a");
    assert_int_equal(e.first_block, 2048);
    assert_int_equal(e.last_block, 2048 + 180224 - 1);
    memset(bytes + 40, 0, 8); /* the end before the start */
    assert_int_equal(gpt_entry_parse(bytes, &e), -EBADMSG);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(gpt_entry_parse(bytes, &e), -ENOENT);
}

static void test_offset(void **unused)
{
    struct gpt_header h = { .entries_block = 2, .entry_count = 128, .entry_size = 256 };
    uint64_t offset = 5;

    (void)unused;
    assert_int_equal(gpt_entry_offset(&h, 0, 512, &offset), -ENOENT);
    assert_int_equal(gpt_entry_offset(&h, 129, 512, &offset), -ENOENT);
    assert_int_equal(offset, 5);
    assert_int_equal(gpt_entry_offset(&h, 1, 512, &offset), 0);
    assert_int_equal(offset, 1024);
    assert_int_equal(gpt_entry_offset(&h, 128, 4096, &offset), 0);
    assert_int_equal(offset, 8192 + 127 * 256);
    h.entries_block = UINT64_MAX;
    assert_int_equal(gpt_entry_offset(&h, 1, 512, &offset), -ENOENT);
    h.entries_block = UINT64_MAX / 512;
    assert_int_equal(gpt_entry_offset(&h, 128, 512, &offset), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_header_damaged),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
