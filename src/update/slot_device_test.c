#include "update/slot_device.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/test_folder.h"

#define UUID_A "11111111-1111-4111-8111-111111111111"
#define UUID_B "22222222-2222-4222-8222-222222222222"
#define ESP    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define LINUX  "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

enum { SLOT_SECTORS = 32768, DISK_SECTORS = 131072 };

/* CRC-32 as the table has it (UEFI 2.10, 5.3.2). */
static uint32_t crc32(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_number(uint8_t *at, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* The first three fields of a GUID are little endian on the disk. */
static void put_guid(uint8_t *at, const char *text)
{
    static const unsigned order[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    char digits[33], *end = digits;

    for (; *text; text++) {
        if (*text != '-')
            *end++ = *text;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        assert_int_equal(hex_decode(digits + 2 * i, 2, at + order[i], 1), 0);
}

static void put_entry(uint8_t *at, const char *type, const char *uuid, uint64_t first,
                      uint64_t count)
{
    put_guid(at, type);
    put_guid(at + 16, uuid);
    put_number(at + 32, 8, first);
    put_number(at + 40, 8, first + count - 1);
}

static void write_at(const char *path, unsigned block, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)block * 512), size);
    assert_int_equal(close(fd), 0);
}

/* One of the two copies: a header, and the block of its entries. */
static void put_table(const char *path, unsigned header_block, unsigned entries_block,
                      const char *uuid_a, const char *type_b)
{
    uint8_t header[512] = { 0 }, entries[1024] = { 0 };

    put_entry(entries, ESP, uuid_a, 2048, SLOT_SECTORS);
    put_entry(entries + 128, type_b, UUID_B, 2048 + SLOT_SECTORS, SLOT_SECTORS);
    put_entry(entries + 256, LINUX, "55555555-5555-4555-8555-555555555555", 67584, 2048);
    memcpy(header, "EFI PART", 8);
    put_number(header + 8, 4, 0x10000);
    put_number(header + 12, 4, 92);
    put_number(header + 24, 8, header_block);
    put_number(header + 32, 8, header_block == 1 ? DISK_SECTORS - 1 : 1);
    put_number(header + 40, 8, 34);
    put_number(header + 48, 8, 131038);
    put_number(header + 72, 8, entries_block);
    put_number(header + 80, 4, 8);
    put_number(header + 84, 4, 128);
    put_number(header + 88, 4, crc32(entries, 8 * 128));
    put_number(header + 16, 4, crc32(header, 92));
    write_at(path, header_block, header, sizeof(header));
    write_at(path, entries_block, entries, sizeof(entries));
}

/* A disk with three partitions, and what sysfs would say of it. */
static void make_disk(const char *disk, const char *uuid_a, const char *type_b)
{
    _cleanup_free_ char *path = text_make("dev/%s", disk), *script = NULL;

    test_folder_write(path, "");
    put_table(path, 1, 2, uuid_a, type_b);
    put_table(path, DISK_SECTORS - 1, DISK_SECTORS - 3, uuid_a, type_b);
    for (unsigned number = 1; number <= 3; number++) {
        _cleanup_free_ char *link = text_make("class/%s%u", disk, number);
        _cleanup_free_ char *target = text_make("../devices/%s/%s%u", disk, disk, number);
        static const char *const names[] = { "partition", "start", "size" };
        const unsigned values[] = { number, 2048 + (number - 1) * SLOT_SECTORS,
                                    number < 3 ? SLOT_SECTORS : 2048 };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            _cleanup_free_ char *at = text_make("devices/%s/%s%u/%s", disk, disk, number, names[i]);
            _cleanup_free_ char *text = text_make("%u\n", values[i]);

            test_folder_write(at, text);
        }
        assert_int_equal(symlink(target, link), 0);
    }
    script = text_make("devices/%s/queue/logical_block_size", disk);
    test_folder_write(script, "512\n");
    free(script);
    script = text_make("devices/%s/size", disk);
    test_folder_write(script, "131072\n");
    free(path);
    path = text_make("class/%s", disk);
    free(script);
    script = text_make("../devices/%s", disk);
    assert_int_equal(symlink(script, path), 0);
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree("class", &f) < 0 || file_remove_tree("devices", &f) < 0 ||
                   file_remove_tree("dev", &f) < 0 || file_make_folders("class", &f) < 0
               ? -1
               : 0;
}

static int find(const char *uuid, struct slot_devices *ret, struct failure *f)
{
    return slot_devices_find_in("class", "dev", uuid, ret, f);
}

static void test_both_ways(void **state)
{
    struct slot_devices found;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_disk("vda", UUID_A, ESP);
    assert_int_equal(find(UUID_A, &found, &f), 0);
    assert_int_equal(found.running.letter, 'A');
    assert_int_equal(found.other.letter, 'B');
    assert_string_equal(found.other.path, "dev/vda2");
    assert_string_equal(found.other.uuid, UUID_B);
    assert_int_equal(found.other.number, 2);
    assert_int_equal(found.other.first_block, 34816);
    assert_int_equal(found.other.block_count, SLOT_SECTORS);
    assert_int_equal(found.other.size, SLOT_SECTORS * 512);
    assert_int_equal(find(UUID_B, &found, &f), 0);
    assert_int_equal(found.running.letter, 'B');
    assert_string_equal(found.other.path, "dev/vda1");
    assert_string_equal(found.other.uuid, UUID_A);
}

static void refuse(const char *uuid, int cause)
{
    struct slot_devices found = { .other = { .letter = 'x' } };
    struct failure f = FAILURE_NONE;

    assert_int_equal(find(uuid, &found, &f), cause);
    assert_int_equal(f.code, CODE_UPDATE_NO_SLOT);
    assert_int_equal(found.other.letter, 'x');
}

static void test_refused(void **state)
{
    (void)state;
    refuse("", -ENODEV);
    refuse(UUID_A, -ENOENT);
    make_disk("vda", UUID_A, LINUX);
    refuse(UUID_A, -ENODEV); /* the second partition is no slot */
    refuse("33333333-3333-4333-8333-333333333333", -ENOENT);
}

/* Either copy of the table will do. With neither, nobody can say that there is no second slot. */
static void test_damaged_table(void **state)
{
    const uint8_t zeros[512] = { 0 };
    struct slot_devices found;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_disk("vda", UUID_A, ESP);
    write_at("dev/vda", 1, zeros, sizeof(zeros));
    assert_int_equal(find(UUID_A, &found, &f), 0);
    assert_string_equal(found.running.path, "dev/vda1");
    assert_string_equal(found.other.uuid, UUID_B);
    write_at("dev/vda", DISK_SECTORS - 1, zeros, sizeof(zeros));
    refuse(UUID_A, -ENOENT);
    make_disk("vdb", UUID_A, LINUX); /* another disk's table does not matter once it is found */
    refuse(UUID_A, -ENODEV);
}

/* Two disks written from one image: nobody can tell which one it was. */
static void test_twice(void **state)
{
    (void)state;
    make_disk("vda", UUID_A, ESP);
    make_disk("vdb", UUID_A, ESP);
    refuse(UUID_A, -ENOTUNIQ);
}

/* The other slot is that of the same disk. */
static void test_two_disks(void **state)
{
    struct slot_devices found;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_disk("vda", "44444444-4444-4444-8444-444444444444", ESP);
    make_disk("vdb", UUID_A, ESP);
    assert_int_equal(find(UUID_A, &found, &f), 0);
    assert_string_equal(found.running.path, "dev/vdb1");
    assert_string_equal(found.other.path, "dev/vdb2");
}

/* A table that says another place than the kernel is not believed. */
static void test_stale_table(void **state)
{
    (void)state;
    make_disk("vda", UUID_A, ESP);
    test_folder_write("devices/vda/vda2/size", "4096\n");
    refuse(UUID_A, -ESTALE);
    test_folder_write("devices/vda/vda1/start", "4096\n");
    refuse(UUID_A, -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_ways, reset),
        cmocka_unit_test_setup(test_refused, reset),
        cmocka_unit_test_setup(test_damaged_table, reset),
        cmocka_unit_test_setup(test_twice, reset),
        cmocka_unit_test_setup(test_two_disks, reset),
        cmocka_unit_test_setup(test_stale_table, reset),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
