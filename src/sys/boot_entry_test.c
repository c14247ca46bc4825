#include "sys/boot_entry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"

#define FILE_NAME "\\EFI\\broch\\linux.efi"

static const uint8_t guid[BOOT_ENTRY_GUID_SIZE] = {
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b
};

static struct boot_entry make_entry(void)
{
    struct boot_entry entry = { .attributes = BOOT_ENTRY_ACTIVE,
                                .description = "Broch A",
                                .on_partition = true,
                                .partition = { .number = 1, .first_block = 2048, .block_count = 7 },
                                .file = FILE_NAME };

    memcpy(entry.partition.guid, guid, sizeof(guid));
    return entry;
}

/* By hand, from UEFI 2.10, 3.1.3 and 10.3.5.1. */
static void test_bytes(void **unused)
{
    struct boot_entry entry = make_entry();
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    char hex[2 * BOOT_ENTRY_SIZE_MAX + 1];
    size_t size;

    (void)unused;
    memcpy(entry.file, "\\f", 3);
    memcpy(entry.description, "B", 2);
    entry.options = (const uint8_t *)"xy";
    entry.options_size = 2;
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), 0);
    hex_encode(bytes, size, hex);
    assert_string_equal(hex, "01000000"
                             "3800"
                             "42000000"
                             "04012a00"
                             "01000000"
                             "0008000000000000"
                             "0700000000000000"
                             "28732ac11ff8d211ba4b00a0c93ec93b"
                             "0202"
                             "04040a005c0066000000"
                             "7fff0400"
                             "7879");
}

static void assert_same(const struct boot_entry *a, const struct boot_entry *b)
{
    assert_int_equal(a->attributes, b->attributes);
    assert_string_equal(a->description, b->description);
    assert_int_equal(a->on_partition, b->on_partition);
    assert_memory_equal(a->partition.guid, b->partition.guid, sizeof(a->partition.guid));
    assert_int_equal(a->partition.number, b->partition.number);
    assert_int_equal(a->partition.first_block, b->partition.first_block);
    assert_int_equal(a->partition.block_count, b->partition.block_count);
    assert_string_equal(a->file, b->file);
    assert_int_equal(a->options_size, b->options_size);
}

static void test_round_trip(void **unused)
{
    struct boot_entry entry = make_entry(), found;
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    size_t size;

    (void)unused;
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), 0);
    assert_int_equal(boot_entry_decode(bytes, size, &found), 0);
    assert_same(&entry, &found);
    entry = (struct boot_entry){ .file = "x" };
    memset(entry.description, 'd', sizeof(entry.description) - 1);
    memset(entry.file, 'f', sizeof(entry.file) - 1);
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), 0);
    assert_int_equal(boot_entry_decode(bytes, size, &found), 0);
    assert_same(&entry, &found);
}

/* Cut short anywhere before its end node, an entry is malformed; no bit of it makes the decoder do
 * anything but answer. */
static void test_damage(void **unused)
{
    struct boot_entry entry = make_entry(), found;
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX];
    size_t size;

    (void)unused;
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), 0);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(boot_entry_decode(bytes, cut, &found), -EBADMSG);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        int r;

        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = boot_entry_decode(bytes, size, &found);
        assert_true(r == 0 || r == -EBADMSG || r == -ERANGE);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static int decode_hex(const char *hex, struct boot_entry *ret)
{
    static uint8_t bytes[1024];
    size_t size = strlen(hex) / 2;

    assert_int_equal(hex_decode(hex, strlen(hex), bytes, size), 0);
    return boot_entry_decode(bytes, size, ret);
}

#define HEAD  "01000000"
#define NAME  "42000000"
#define DISK  "04012a00010000000008000000000000070000000000000028732ac11ff8d211ba4b00a0c93ec93b0202"
#define FILE1 "040408005c006100"
#define FILE2 "04040a005c0062000000"
#define PCI   "010106000301"
#define END   "7fff0400"

static void test_forms(void **unused)
{
    struct boot_entry e;

    (void)unused;
    /* The firmware's own way to the disk in front; two file nodes; an end of an instance. */
    assert_int_equal(decode_hex(HEAD "4a00" NAME PCI DISK FILE1 FILE2 "7f010400" END "ff", &e), 0);
    assert_true(e.on_partition);
    assert_string_equal(e.file, "\\a\\b");
    assert_int_equal(e.options_size, 1);
    /* Network: no disk, no file. */
    assert_int_equal(decode_hex(HEAD "0a00" NAME PCI END, &e), 0);
    assert_false(e.on_partition);
    assert_string_equal(e.file, "");
    assert_false(boot_entry_starts(&e, guid, ""));
    /* An MBR partition. */
    assert_int_equal(
        decode_hex(HEAD
                   "2e00" NAME
                   "04012a0001000000000800000000000007000000000000002873000000000000000000000000"
                   "00000101" END,
                   &e),
        0);
    assert_false(e.on_partition);
    /* Letters that are no ASCII. */
    assert_int_equal(decode_hex(HEAD "0a00"
                                     "e40020260000" PCI END,
                                &e),
                     0);
    assert_string_equal(e.description, "??");
    assert_int_equal(decode_hex(HEAD "0400" NAME "7fff0300", &e), -EBADMSG);
    assert_int_equal(decode_hex(HEAD "0000" NAME, &e), -EBADMSG);
    assert_int_equal(decode_hex(HEAD "0900" NAME "0404050000" END, &e), -EBADMSG);
    /* A text behind the end of the text. */
    assert_int_equal(decode_hex(HEAD "0c00" NAME "0404080000006100" END, &e), -EBADMSG);
    assert_int_equal(decode_hex(HEAD "0800" NAME "04010400" END, &e), -EBADMSG);
}

static void test_refusals(void **unused)
{
    struct boot_entry entry = make_entry();
    uint8_t bytes[BOOT_ENTRY_SIZE_MAX], options[BOOT_ENTRY_SIZE_MAX] = { 0 };
    size_t size = 77;

    (void)unused;
    entry.options = options;
    entry.options_size = sizeof(options);
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), -ERANGE);
    entry.options_size = 0;
    entry.file[0] = '\0';
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), -EINVAL);
    memcpy(entry.file, "\n", 2);
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), -EINVAL);
    entry = make_entry();
    memcpy(entry.description, "\xc3", 2);
    assert_int_equal(boot_entry_encode(&entry, bytes, &size), -EINVAL);
    assert_int_equal(size, 77);
}

static void test_starts(void **unused)
{
    struct boot_entry entry = make_entry();
    uint8_t other[BOOT_ENTRY_GUID_SIZE];

    (void)unused;
    memcpy(other, guid, sizeof(other));
    assert_true(boot_entry_starts(&entry, guid, FILE_NAME));
    assert_true(boot_entry_starts(&entry, guid, "\\efi\\BROCH\\Linux.EFI"));
    assert_false(boot_entry_starts(&entry, guid, FILE_NAME ".old"));
    other[15] ^= 1;
    assert_false(boot_entry_starts(&entry, other, FILE_NAME));
}

static void test_guid(void **unused)
{
    static const char text[] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
    uint8_t bytes[BOOT_ENTRY_GUID_SIZE];

    (void)unused;
    assert_int_equal(boot_entry_guid_parse(text, bytes), 0);
    assert_memory_equal(bytes, guid, sizeof(guid));
    assert_int_equal(boot_entry_guid_parse("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", bytes), 0);
    assert_memory_equal(bytes, guid, sizeof(guid));
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char damaged[sizeof(text)];

        memcpy(damaged, text, sizeof(text));
        damaged[i] = 'x';
        assert_int_equal(boot_entry_guid_parse(damaged, bytes), -EBADMSG);
        damaged[i] = '\0';
        assert_int_equal(boot_entry_guid_parse(damaged, bytes), -EBADMSG);
    }
    assert_int_equal(boot_entry_guid_parse("c12a7328-f81f-11d2-ba4b-00a0c93ec93b0", bytes),
                     -EBADMSG);
}

static void test_names(void **unused)
{
    static const char *const bad[] = { "",         "Boot",     "Boot000",  "Boot00000", "BootOrder",
                                       "Boot00ab", "boot0000", "Boot00x0", "BootNext" };
    char name[BOOT_ENTRY_NAME_SIZE];
    uint16_t number = 7;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(boot_entry_name_parse(bad[i], &number), -EBADMSG);
    assert_int_equal(number, 7);
    for (unsigned n = 0; n <= UINT16_MAX; n++) {
        boot_entry_name((uint16_t)n, name);
        assert_int_equal(boot_entry_name_parse(name, &number), 0);
        assert_int_equal(number, n);
    }
    assert_string_equal(name, "BootFFFF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),   cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_starts),
        cmocka_unit_test(test_guid),     cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
