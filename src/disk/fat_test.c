/* A file system made by hand; those of mkfs.fat, mtools and Linux are read by
 * tests/vm/power_test.c.
 */
#include "disk/fat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
    SECTOR = 512,
    RESERVED = 2,
    TABLES = 2,
    TABLE_SECTORS = 1,
    CLUSTERS = 40,
    DATA = (RESERVED + TABLES * TABLE_SECTORS) * SECTOR,
    SIZE = DATA + CLUSTERS * SECTOR,
    ROOT = 2,
    CONTENT_SIZE = 1200, /* three clusters */
};

static uint8_t disk[SIZE];
static uint8_t content[CONTENT_SIZE];
static struct fat fat;

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        disk[at + i] = (uint8_t)(value >> (8 * i));
}

static size_t cluster_at(unsigned number)
{
    return DATA + (number - 2) * (size_t)SECTOR;
}

static void link_to(unsigned number, uint32_t next)
{
    put(RESERVED * SECTOR + 4 * (size_t)number, next, 4);
}

static size_t put_short(size_t at, const char *name, uint8_t attributes, unsigned first,
                        uint32_t size)
{
    memcpy(disk + at, name, 11);
    disk[at + 11] = attributes;
    put(at + 20, first >> 16, 2);
    put(at + 26, first, 2);
    put(at + 28, size, 4);
    return at + 32;
}

static uint8_t sum_of(const char *name)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < 11; i++)
        sum = (uint8_t)((sum << 7 | sum >> 1) + (uint8_t)name[i]);
    return sum;
}

/* A long name of at most 26 letters in front of its short one. */
static size_t put_long(size_t at, const char *name, uint8_t sum)
{
    static const uint8_t places[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    size_t letters = strlen(name), parts = letters / 13 + 1;

    for (size_t part = parts; part > 0; part--, at += 32) {
        disk[at] = (uint8_t)(part | (part == parts ? 0x40 : 0));
        disk[at + 11] = 15;
        disk[at + 13] = sum;
        for (size_t i = 0; i < 13; i++) {
            size_t letter = (part - 1) * 13 + i;

            put(at + places[i],
                letter < letters    ? (uint8_t)name[letter]
                : letter == letters ? 0
                                    : 0xffff,
                2);
        }
    }
    return at;
}

/* /EFI/broch/ (in two clusters) with linux.efi and system.erofs, which are the same three clusters.
 */
static int make(void **state)
{
    size_t at;

    (void)state;
    memset(disk, 0, sizeof(disk));
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 7 + 1);
    put(11, SECTOR, 2);
    disk[13] = 1;
    put(14, RESERVED, 2);
    disk[16] = TABLES;
    put(32, SIZE / SECTOR, 4);
    put(36, TABLE_SECTORS, 4);
    put(44, ROOT, 4);
    put(510, 0xaa55, 2);
    link_to(ROOT, 0x0fffffff);
    at = put_short(cluster_at(ROOT), "BROCH-B    ", 8, 0, 0);
    (void)put_short(at, "EFI        ", 16, 3, 0);
    link_to(3, 0xffffffff); /* the four highest bits are not the chain's */
    at = put_short(cluster_at(3), "\xe5LD        ", 32, 9, 1);
    (void)put_short(at, "BROCH      ", 16, 4, 0);
    link_to(4, 8);
    link_to(8, 0x0ffffff8);
    at = put_short(cluster_at(4), ".          ", 16, 4, 0);
    at = put_short(at, "LINUX   EFI", 32, 10, CONTENT_SIZE);
    while (at < cluster_at(4) + SECTOR)
        at = put_short(at, "\xe5ONE       ", 32, 0, 0);
    at = put_long(cluster_at(8), "system.erofs", sum_of("SYSTEM~1ERO"));
    at = put_short(at, "SYSTEM~1ERO", 32, 10, CONTENT_SIZE);
    at = put_long(at, "a-name-of-two-parts.txt", sum_of("ANAMEO~1TXT"));
    (void)put_short(at, "ANAMEO~1TXT", 32, 0, 0);
    link_to(10, 12);
    link_to(12, 11);
    link_to(11, 0x0fffffff);
    memcpy(disk + cluster_at(10), content, SECTOR);
    memcpy(disk + cluster_at(12), content + SECTOR, SECTOR);
    memcpy(disk + cluster_at(11), content + 2 * SECTOR, CONTENT_SIZE - 2 * SECTOR);
    return fat_open(disk, sizeof(disk), &fat);
}

static int find(const char *path)
{
    struct fat_file file;

    return fat_find(&fat, path, &file);
}

static bool is_whole(const char *path)
{
    struct fat_file file;

    return fat_find(&fat, path, &file) == 0 && fat_equals(&fat, &file, content, sizeof(content));
}

static void test_finds(void **state)
{
    struct fat_file file;

    (void)state;
    assert_true(is_whole("EFI/broch/linux.efi"));
    assert_true(is_whole("efi/BROCH/System.erofs"));
    assert_true(is_whole("EFI/broch/system~1.ero"));
    assert_int_equal(fat_find(&fat, "EFI/broch/a-name-of-two-parts.txt", &file), 0);
    assert_true(fat_equals(&fat, &file, content, 0));
    assert_int_equal(fat_find(&fat, "EFI/broch", &file), 0);
    assert_true(file.is_folder);
    assert_false(fat_equals(&fat, &file, content, 0));
}

static void test_finds_not(void **state)
{
    static const char *const paths[] = { "BROCH-B",
                                         "OLD",
                                         "EFI/broch/linux.ef",
                                         "EFI/broch/linux.efi2",
                                         "EFI/linux.efi",
                                         "EFI/broch/linux.efi/x",
                                         "EFI/broch/a-name-of-t" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(find(paths[i]), -ENOENT);
}

/* A long name whose short one was replaced, or that is not whole, names nothing. */
static void test_torn_names(void **state)
{
    size_t at = cluster_at(8);

    (void)state;
    disk[at + 32] = 'T';
    assert_int_equal(find("EFI/broch/system.erofs"), -ENOENT);
    (void)make(NULL);
    disk[at + 13] ^= 1;
    assert_int_equal(find("EFI/broch/system.erofs"), -ENOENT);
    (void)make(NULL);
    disk[at + 2 * 32] = 0xe5; /* the first of two parts */
    assert_int_equal(find("EFI/broch/a-name-of-two-parts.txt"), -ENOENT);
    assert_int_equal(find("EFI/broch/anameo~1.txt"), 0);
}

/* A part that says it is number 0 of a name all of whose parts were there. */
static void test_part_zero(void **state)
{
    size_t at = cluster_at(8);

    (void)state;
    memmove(disk + at + 2 * 32, disk + at + 32, 32); /* the short name */
    disk[at + 32] = 0x80;
    disk[at + 32 + 11] = 15;
    disk[at + 32 + 13] = disk[at + 13];
    assert_int_equal(find("EFI/broch/system.erofs"), -ENOENT);
    assert_int_equal(find("EFI/broch/system~1.ero"), 0);
}

static void test_broken_chains(void **state)
{
    struct fat_file file;

    (void)state;
    link_to(12, 0); /* free: the file was never as long on the disk */
    assert_false(is_whole("EFI/broch/linux.efi"));
    assert_int_equal(fat_find(&fat, "EFI/broch/linux.efi", &file), 0);
    assert_false(fat_is_readable(&fat, &file));
    (void)make(NULL);
    assert_true(fat_is_readable(&fat, &file));
    file.size = 0;
    assert_false(fat_is_readable(&fat, &file));
    disk[cluster_at(11)] ^= 1;
    assert_false(is_whole("EFI/broch/linux.efi"));
    (void)make(NULL);
    link_to(4, 4); /* a circle */
    assert_int_equal(find("EFI/broch/linux.efi"), 0);
    assert_int_equal(find("EFI/broch/system.erofs"), -EBADMSG);
    link_to(4, CLUSTERS + 2);
    assert_int_equal(find("EFI/broch/system.erofs"), -EBADMSG);
}

static void test_span(void **state)
{
    struct fat_file file;
    uint64_t first, end;

    (void)state;
    assert_int_equal(fat_find(&fat, "EFI/broch/linux.efi", &file), 0);
    assert_false(fat_span(&fat, &file, &first, &end)); /* 10, 12, 11 */
    link_to(10, 11);
    link_to(11, 12);
    assert_true(fat_span(&fat, &file, &first, &end));
    assert_int_equal(first, cluster_at(10));
    assert_int_equal(end, cluster_at(13));
    file.size = 0;
    assert_false(fat_span(&fat, &file, &first, &end));
    file.size = UINT32_MAX;
    assert_false(fat_span(&fat, &file, &first, &end));
    file.size = 1;
    file.first_cluster = CLUSTERS + 2;
    assert_false(fat_span(&fat, &file, &first, &end));
}

/* Whatever the bytes say, nothing outside of them is read: the sanitizers are the judge. */
static void test_any_bytes(void **state)
{
    struct fat other;
    struct fat_file file;
    uint64_t first, end;

    (void)state;
    for (size_t at = 0; at < cluster_at(9); at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            disk[at] ^= (uint8_t)(1u << bit);
            if (fat_open(disk, sizeof(disk), &other) == 0 &&
                fat_find(&other, "EFI/broch/system.erofs", &file) == 0) {
                (void)fat_equals(&other, &file, content, sizeof(content));
                (void)!fat_span(&other, &file, &first, &end);
            }
            disk[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t size = 0; size < SIZE; size += 64)
        assert_int_equal(fat_open(disk, size, &other), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_finds, make),
        cmocka_unit_test_setup(test_finds_not, make),
        cmocka_unit_test_setup(test_torn_names, make),
        cmocka_unit_test_setup(test_part_zero, make),
        cmocka_unit_test_setup(test_broken_chains, make),
        cmocka_unit_test_setup(test_span, make),
        cmocka_unit_test_setup(test_any_bytes, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
