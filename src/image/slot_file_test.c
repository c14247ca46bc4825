#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/slot_file.h"

/* The smallest FAT32: clusters of one sector. Cluster 2 is the root, 3 the folder EFI, 4 to 6 a
 * file in one piece, 7, 9 and 8 one in pieces. */
enum {
    SECTOR = 512,
    RESERVED = 32,
    TABLE_SECTORS = 520,
    CLUSTERS = 65600,
    SECTORS = RESERVED + TABLE_SECTORS + CLUSTERS,
    TABLE = RESERVED * SECTOR,
    DATA = TABLE + TABLE_SECTORS * SECTOR,
    FILE_SIZE = 3 * SECTOR - 10,
};
#define LAST 0x0fffffffu

static uint8_t *volume; /* 34 MB, most of it never touched */

static void put(size_t at, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        volume[at + i] = (uint8_t)(value >> (8 * i));
}

static size_t cluster(unsigned number)
{
    return DATA + (size_t)(number - 2) * SECTOR;
}

static void put_entry(size_t at, const char *name, uint8_t attributes, uint32_t first,
                      uint32_t size)
{
    memcpy(volume + at, name, 11);
    volume[at + 11] = attributes;
    put(at + 20, first >> 16, 2);
    put(at + 26, first & 0xffff, 2);
    put(at + 28, size, 4);
}

static uint8_t checksum(const char *name)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1) + (sum << 7) + (uint8_t)name[i]);
    return sum;
}

static void put_long(size_t at, uint8_t number, const char *part, uint8_t sum)
{
    static const uint8_t places[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    size_t length = strlen(part);

    volume[at] = number;
    volume[at + 11] = 0x0f;
    volume[at + 13] = sum;
    for (size_t i = 0; i < 13; i++)
        put(at + places[i], i < length ? (uint8_t)part[i] : i == length ? 0 : 0xffff, 2);
}

static void make(void)
{
    static const uint32_t chain[] = { LAST, LAST, LAST, LAST, 5, 6, LAST, 9, LAST, 8 };

    free(volume);
    volume = calloc(SECTORS, SECTOR);
    assert_non_null(volume);
    put(11, SECTOR, 2);
    volume[13] = 1;
    put(14, RESERVED, 2);
    volume[16] = 1;
    put(32, SECTORS, 4);
    put(36, TABLE_SECTORS, 4);
    put(44, 2, 4);
    put(510, 0xaa55, 2);
    for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
        put(TABLE + 4 * i, chain[i], 4);
    put_entry(cluster(2), "BROCH-A    ", 0x08, 0, 0);
    put_entry(cluster(2) + 32, "EFI        ", 0x10, 3, 0);
    put_entry(cluster(3), "LINUX   EFI", 0x20, 4, FILE_SIZE);
    put_long(cluster(3) + 32, 0x42, "ong.erofs", checksum("SYSTEM~1ERO"));
    put_long(cluster(3) + 64, 1, "system-very-l", checksum("SYSTEM~1ERO"));
    put_entry(cluster(3) + 96, "SYSTEM~1ERO", 0x20, 7, FILE_SIZE);
    put_entry(cluster(3) + 128, "EMPTY      ", 0x20, 0, 0);
    for (unsigned i = 4; i <= 9; i++)
        memset(volume + cluster(i), (int)i, SECTOR);
}

static int find(const char *path, struct span *ret, uint8_t **ret_copy)
{
    struct fat fat;
    int r = fat_open(volume, (size_t)SECTORS * SECTOR, &fat);

    *ret_copy = NULL;
    return r < 0 ? r : slot_file_find(&fat, path, ret, ret_copy);
}

static void test_found(void **state)
{
    struct span content;
    uint8_t *copy;

    make();
    assert_int_equal(find("EFI/linux.efi", &content, &copy), 0);
    assert_null(copy);
    assert_ptr_equal(content.bytes, volume + cluster(4));
    assert_int_equal(content.size, FILE_SIZE);
    assert_int_equal(find("efi/EMPTY", &content, &copy), 0);
    assert_int_equal(content.size, 0);
    assert_int_equal(find("EFI/linux", &content, &copy), -ENOENT);
    assert_int_equal(find("EFI", &content, &copy), -ENOENT); /* a folder */
    assert_int_equal(find("EFI/linux.efi/x", &content, &copy), -ENOENT);
    assert_int_equal(find("BROCH-A", &content, &copy), -ENOENT); /* the label */
    assert_int_equal(find("other/linux.efi", &content, &copy), -ENOENT);
}

static void test_long_name_and_pieces(void **state)
{
    struct span content;
    uint8_t *copy;

    make();
    assert_int_equal(find("EFI/system-very-long.erofs", &content, &copy), 0);
    assert_non_null(copy);
    assert_int_equal(content.size, FILE_SIZE);
    assert_int_equal(content.bytes[0], 7);
    assert_int_equal(content.bytes[SECTOR], 9);
    assert_int_equal(content.bytes[2 * SECTOR], 8);
    free(copy);
    /* A long name that is not of the entry behind it: only the short one is left. */
    volume[cluster(3) + 64 + 13] ^= 1;
    assert_int_equal(find("EFI/system-very-long.erofs", &content, &copy), -ENOENT);
    assert_int_equal(find("EFI/SYSTEM~1.ERO", &content, &copy), 0);
    free(copy);
}

static void test_damaged(void **state)
{
    static const struct {
        size_t at, size;
        uint32_t value;
        int result;
    } cases[] = {
        { 11, 2, 1024, -EBADMSG },            /* other sectors */
        { 13, 1, 0, -EBADMSG },               /* no cluster size */
        { 22, 2, 9, -EBADMSG },               /* FAT16 */
        { 32, 4, SECTORS + 1, -EBADMSG },     /* larger than the volume */
        { 32, 4, RESERVED - 1, -EBADMSG },    /* smaller than what comes before its tables */
        { 36, 4, UINT32_MAX, -EBADMSG },      /* the table as well */
        { 36, 4, 100, -EBADMSG },             /* more clusters than the table has */
        { 510, 2, 0, -EBADMSG },              /* no boot sector */
        { 44, 4, 0, -EBADMSG },               /* the root is no cluster */
        { TABLE + 4 * 4, 4, 0, -EBADMSG },    /* a file's chain ends in nothing */
        { TABLE + 4 * 5, 4, 4, 0 },           /* goes round: its size ends it */
        { TABLE + 4 * 5, 4, LAST, -EBADMSG }, /* ends too early */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span content;
        uint8_t *copy;

        make();
        put(cases[i].at, cases[i].value, cases[i].size);
        assert_int_equal(find("EFI/linux.efi", &content, &copy), cases[i].result);
        free(copy);
    }
    /* A folder that goes round and does not have the name. */
    make();
    put(TABLE + 4 * 3, 3, 4);
    for (size_t at = 160; at < SECTOR; at += 32)
        volume[cluster(3) + at] = 0xe5;
    {
        struct span content;
        uint8_t *copy;

        assert_int_equal(find("EFI/none", &content, &copy), -EBADMSG);
    }
    free(volume);
    volume = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_long_name_and_pieces),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
