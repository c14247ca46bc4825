#include "boot/superblock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* A superblock as veritysetup writes it, field by field. */
static void make(uint8_t b[static SUPERBLOCK_SIZE], uint64_t data_blocks, size_t salt_size)
{
    memset(b, 0, SUPERBLOCK_SIZE);
    memcpy(b, "verity", 6);
    b[8] = 1;
    b[12] = 1;
    memset(b + 16, 0x77, 16);
    memcpy(b + 32, "sha256", 6);
    b[65] = 0x10;
    b[69] = 0x10;
    for (unsigned i = 0; i < 8; i++)
        b[72 + i] = (uint8_t)(data_blocks >> (8 * i));
    b[80] = (uint8_t)salt_size;
    b[81] = (uint8_t)(salt_size >> 8);
    memset(b + 88, 0xab, salt_size);
}

static void test_good(void **unused)
{
    uint8_t b[SUPERBLOCK_SIZE];
    struct superblock s;

    (void)unused;
    make(b, 921, 32);
    assert_int_equal(superblock_parse(b, &s), 0);
    assert_int_equal(s.data_blocks, 921);
    assert_int_equal(s.salt_size, 32);
    assert_int_equal(s.salt[31], 0xab);
    assert_int_equal(s.uuid[15], 0x77);
    assert_int_equal(superblock_offset(&s), 921 * 4096);
    make(b, SUPERBLOCK_DATA_BLOCKS_MAX, SUPERBLOCK_SALT_MAX);
    assert_int_equal(superblock_parse(b, &s), 0);
    make(b, 1, 0);
    assert_int_equal(superblock_parse(b, &s), 0);
}

static void test_limits(void **unused)
{
    uint8_t b[SUPERBLOCK_SIZE];
    struct superblock s;

    (void)unused;
    make(b, 0, 32);
    assert_int_equal(superblock_parse(b, &s), -EBADMSG);
    make(b, SUPERBLOCK_DATA_BLOCKS_MAX + 1, 32);
    assert_int_equal(superblock_parse(b, &s), -EBADMSG);
    make(b, UINT64_MAX, 32);
    assert_int_equal(superblock_parse(b, &s), -EBADMSG);
    make(b, 921, SUPERBLOCK_SALT_MAX);
    b[80] = 1;
    b[81] = 1; /* 257 */
    assert_int_equal(superblock_parse(b, &s), -EBADMSG);
    make(b, 921, 32);
    b[80] = 31; /* a byte of salt where only padding may be */
    assert_int_equal(superblock_parse(b, &s), -EBADMSG);
}

/* Every bit counts: only the UUID, the number of blocks and the salt may change, and then the
 * result does as well. */
static void test_flipped(void **unused)
{
    uint8_t b[SUPERBLOCK_SIZE];
    struct superblock whole, s;

    (void)unused;
    make(b, 921, 32);
    assert_int_equal(superblock_parse(b, &whole), 0);
    for (size_t bit = 0; bit < 8 * SUPERBLOCK_SIZE; bit++) {
        size_t at = bit / 8;
        bool may = (at >= 16 && at < 32) || (at >= 72 && at < 80) || (at >= 80 && at < 120);

        b[at] = (uint8_t)(b[at] ^ (1 << (bit % 8)));
        memset(&s, 0, sizeof(s));
        if (superblock_parse(b, &s) == 0) {
            assert_true(may);
            assert_memory_not_equal(&s, &whole, sizeof(s));
        }
        b[at] = (uint8_t)(b[at] ^ (1 << (bit % 8)));
    }
}

static void test_image_size(void **unused)
{
    static const struct {
        uint64_t data, tree;
    } cases[] = { { 1, 0 },       { 2, 1 },
                  { 128, 1 },     { 129, 3 },
                  { 921, 9 },     { 16384, 129 },
                  { 16385, 132 }, { SUPERBLOCK_DATA_BLOCKS_MAX, 2097152 + 16384 + 128 + 1 } };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct superblock s = { .data_blocks = cases[i].data };

        assert_int_equal(superblock_image_size(&s), (cases[i].data + 1 + cases[i].tree) * 4096);
    }
}

static void test_table(void **unused)
{
    struct superblock s = { .data_blocks = 921, .salt_size = 2, .salt = { 0xaa, 0x01 } };
    uint8_t hash[CMDLINE_HASH_SIZE] = { 0x12, [31] = 0xef };
    char text[SUPERBLOCK_TABLE_MAX];
    struct line l = line_make(text, sizeof(text));

    (void)unused;
    superblock_table(&s, hash, "7:0", &l);
    assert_string_equal(text,
                        "1 7:0 7:0 4096 4096 921 922 sha256 "
                        "12000000000000000000000000000000000000000000000000000000000000ef aa01 "
                        "1 panic_on_corruption");
    s.salt_size = 0;
    l = line_make(text, sizeof(text));
    superblock_table(&s, hash, "7:0", &l);
    assert_non_null(strstr(text, "ef - 1 panic"));
    s = (struct superblock){ .data_blocks = SUPERBLOCK_DATA_BLOCKS_MAX,
                             .salt_size = SUPERBLOCK_SALT_MAX };
    l = line_make(text, sizeof(text));
    superblock_table(&s, hash, "4294967295:4294967295", &l);
    assert_false(l.cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_flipped), cmocka_unit_test(test_image_size),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
