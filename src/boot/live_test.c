#include "boot/live.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/test_gpt.h"

enum { BLOCK = 512, FIRST = 2048, DATA_BLOCKS = 10, ENTRY_AT = 2 * BLOCK, NUMBER = 2 };

/* LIVE_TYPE as the table has it, and a GUID. */
static const uint8_t guids[32] = { 0x22, 0xe7, 0x9a, 0xc2, 0xcd, 0x9a, 0xfb, 0x4c, 0xa3, 0x2b, 0xa9,
                                   0x88, 0x3c, 0xc4, 0x5a, 0x5c, 0x65, 0x76, 0x69, 0x6c, 1 };

static const struct superblock superblock = { .data_blocks = DATA_BLOCKS };
static uint8_t superblock_bytes[SUPERBLOCK_SIZE] = "verity";
static const struct live_wanted wanted = { &superblock, superblock_bytes };

static int fd;

static void put(uint64_t offset, const void *bytes, size_t size)
{
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
}

/* Entry NUMBER says that the image lies in `count` blocks from FIRST on. */
static void put_entry(uint64_t count)
{
    uint8_t entry[GPT_ENTRY_SIZE_MIN] = { 0 };
    const uint64_t ends[] = { FIRST, FIRST + count - 1 }; /* little-endian here */

    memcpy(entry, guids, sizeof(guids));
    memcpy(entry + sizeof(guids), ends, sizeof(ends));
    put(ENTRY_AT + (NUMBER - 1) * GPT_ENTRY_SIZE_MIN, entry, sizeof(entry));
}

static int make_medium(void **state)
{
    const uint64_t blocks = superblock_image_size(&superblock) / BLOCK;

    (void)state;
    fd = memfd_create("medium", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)((FIRST + blocks) * BLOCK)) < 0)
        return -1;
    put(GPT_FIRST_BLOCK * BLOCK, test_gpt_header, sizeof(test_gpt_header));
    put_entry(blocks);
    put(FIRST * BLOCK + superblock_offset(&superblock), superblock_bytes, SUPERBLOCK_SIZE);
    return 0;
}

static int close_medium(void **state)
{
    (void)state;
    return close(fd);
}

static void test_found(void **state)
{
    uint64_t offset = 0;

    (void)state;
    assert_int_equal(live_find(fd, &wanted, &offset), 0);
    assert_int_equal(offset, FIRST * BLOCK);
}

/* Each of what has to fit, when it does not. */
static void test_not_found(void **state)
{
    uint64_t offset = 7;
    uint8_t other = 'V';

    (void)state;
    put(FIRST * BLOCK + superblock_offset(&superblock), &other, 1); /* another image */
    assert_int_equal(live_find(fd, &wanted, &offset), -ENOENT);
    put(FIRST * BLOCK + superblock_offset(&superblock), superblock_bytes, 1);
    assert_int_equal(live_find(fd, &wanted, &offset), 0);
    put_entry(superblock_image_size(&superblock) / BLOCK - 1); /* too short */
    assert_int_equal(live_find(fd, &wanted, &offset), -ENOENT);
    put_entry(superblock_image_size(&superblock) / BLOCK);
    put(ENTRY_AT + GPT_ENTRY_SIZE_MIN, &other, 1); /* another type */
    assert_int_equal(live_find(fd, &wanted, &offset), -ENOENT);
    put(GPT_FIRST_BLOCK * BLOCK, &other, 1); /* no table */
    assert_int_equal(live_find(fd, &wanted, &offset), -EBADMSG);
}

static void test_too_short(void **state)
{
    uint64_t offset = 7;

    (void)state;
    assert_int_equal(ftruncate(fd, FIRST * BLOCK), 0); /* the image is missing */
    assert_int_equal(live_find(fd, &wanted, &offset), -ENOENT);
    assert_int_equal(ftruncate(fd, BLOCK), 0);
    assert_int_equal(live_find(fd, &wanted, &offset), -ENODATA);
    assert_int_equal(offset, 7);
}

static void test_partition(void **state)
{
    static const struct partition_uuid live = { "6c697665-0000-4000-8000-00000000000a" },
                                       slot = { "6c697664-0000-4000-8000-00000000000a" },
                                       none = { "" };

    (void)state;
    assert_true(live_is_partition(&live));
    assert_false(live_is_partition(&slot));
    assert_false(live_is_partition(&none));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_medium, close_medium)
    const struct CMUnitTest tests[] = { TEST(test_found), TEST(test_not_found),
                                        TEST(test_too_short), TEST(test_partition) };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
