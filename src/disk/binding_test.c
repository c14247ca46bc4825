#include "disk/binding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "disk/test_header.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

enum { TEXT_SIZE = 12288 };

static char original[TEXT_SIZE], text[TEXT_SIZE];
static struct binding b;
static struct failure f;

static int make_original(void **unused)
{
    static uint8_t bytes[LUKS_HEADER_SCAN_SIZE];

    (void)unused;
    test_header_make(bytes);
    memcpy(original, test_header_json(bytes, 0), sizeof(original));
    return 0;
}

static int parse(void)
{
    return binding_parse(text, strlen(text), UUID, &b, &f);
}

static void test_real(void **unused)
{
    (void)unused;
    memcpy(text, original, sizeof(text));
    assert_int_equal(parse(), 0);
    assert_string_equal(b.uuid, UUID);
    assert_int_equal(b.sector_size, 4096);
    assert_int_equal(b.data_offset, 16777216);
}

/* Each alone, in the machine's own header, which the true key would open. */
static void test_edits(void **unused)
{
    static const struct {
        const char *old, *new;
    } edits[] = {
        { "\"encryption\":\"aes-xts-plain64\",\"sector",
          "\"encryption\":\"cipher_null-ecb\",\"sector" },
        { "\"encryption\":\"aes-xts-plain64\",\"sector", "\"encryption\":\"aes-ecb\",\"sector" },
        { "\"encryption\":\"aes-xts-plain64\",\"sector",
          "\"encryption\":\"aes-xts-plain\",\"sector" },
        { "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"" },
        { "\"type\":\"crypt\"", "\"type\":\"linear\"" },
        { "\"size\":\"dynamic\"", "\"size\":\"4096\"" },
        { "\"sector_size\":4096", "\"sector_size\":8192" },
        { "\"sector_size\":4096", "\"sector_size\":4096,\"sector_size\":512" },
        { "\"sector_size\":4096", "\"sector_size\":4096,\"integrity\":{}" },
        { "\"sector_size\":4096", "\"sector_size\":4096,\"flags\":[\"backup\"]" },
        { "\"segments\":{", "\"segments\":{\"1\":{}," },
        { "\"segments\":{", "\"segments\":{},\"segments\":{" },
        { "\"segments\":{", "\"segment\":{" },
        { "\"config\":{", "\"config\":{\"requirements\":{\"mandatory\":[\"online-reencrypt\"]}," },
        { "\"config\":{", "\"config\":{\"flags\":[\"no-read-workqueue\"]," },
        { "\"config\":{", "\"config\":[{" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        memcpy(text, original, sizeof(text));
        test_header_replace(text, sizeof(text), edits[i].old, edits[i].new);
        if (parse() != -EKEYREJECTED)
            fail_msg("taken: %s", edits[i].new);
        assert_int_equal(f.code, CODE_PERSIST_BINDING);
    }
}

static uint32_t keyslots(void)
{
    uint32_t own;

    assert_int_equal(binding_keyslots(text, strlen(text), &own, &f), 0);
    return own;
}

/* One that is not of our form is never tried; what it says comes from whoever wrote the header. */
static void test_keyslots(void **unused)
{
    static const struct {
        const char *old, *new;
    } edits[] = {
        { "\"encryption\":\"aes-xts-plain64\"", "\"encryption\":\"cipher_null-ecb\"" },
        { "\"encryption\":\"aes-xts-plain64\"", "\"encryption\":\"aes-ecb\"" },
        { "\"encryption\":\"aes-xts-plain64\"", "\"encryption\":1" },
        { "\"key_size\":64", "\"key_size\":32" },
        { "\"key_size\":64", "\"key_size\":64,\"key_size\":64" },
        { "\"type\":\"raw\"", "\"type\":\"journal\"" },
        { "\"type\":\"luks2\"", "\"type\":\"reencrypt\"" },
        { "\"iterations\":1000", "\"iterations\":100001" },
        { "\"iterations\":1000", "\"iteration\":1000" },
        { "\"type\":\"pbkdf2\"", "\"type\":\"argon2i\"" },
        { "\"kdf\":", "\"kd\":" },
        { "\"area\":", "\"are\":" },
    };

    (void)unused;
    memcpy(text, original, sizeof(text));
    assert_int_equal(keyslots(), 1);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        memcpy(text, original, sizeof(text));
        test_header_replace(text, sizeof(text), edits[i].old, edits[i].new);
        if (keyslots() != 0)
            fail_msg("taken: %s", edits[i].new);
    }
    memcpy(text, original, sizeof(text));
    test_header_replace(text, sizeof(text), "\"keyslots\":{\"0\"", "\"keyslots\":{\"32\"");
    {
        uint32_t own;

        assert_int_equal(binding_keyslots(text, strlen(text), &own, &f), -EKEYREJECTED);
        assert_int_equal(f.code, CODE_PERSIST_BINDING);
    }
}

/* That of the recovery key, as the library writes it, and with a cost that keeps a machine busy. */
static void test_argon2(void **unused)
{
    static const char ours[] =
        "{\"keyslots\":{\"3\":{\"type\":\"luks2\",\"key_size\":64,\"area\":{\"type\":\"raw\","
        "\"encryption\":\"aes-xts-plain64\",\"key_size\":64},\"kdf\":{\"type\":\"argon2id\","
        "\"time\":4,\"memory\":65536,\"cpus\":1}}}}";
    static const struct {
        const char *old, *new;
    } edits[] = {
        { "\"time\":4", "\"time\":17" },
        { "\"memory\":65536", "\"memory\":1048576" },
        { "\"cpus\":1", "\"cpus\":5" },
        { ",\"cpus\":1", "" },
    };

    (void)unused;
    memcpy(text, ours, sizeof(ours));
    assert_int_equal(keyslots(), 1 << 3);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        memset(text, 0, sizeof(text));
        memcpy(text, ours, sizeof(ours));
        test_header_replace(text, sizeof(text), edits[i].old, edits[i].new);
        if (keyslots() != 0)
            fail_msg("taken: %s", edits[i].new);
    }
}

/* What may differ is in the hash: a disk with another of them is another disk. */
static void test_hash(void **unused)
{
    uint8_t first[BINDING_HASH_SIZE], other[BINDING_HASH_SIZE];

    (void)unused;
    memcpy(text, original, sizeof(text));
    assert_int_equal(parse(), 0);
    binding_hash(&b, first);
    memcpy(text, original, sizeof(text));
    test_header_replace(text, sizeof(text), "\"offset\":\"16777216\",\"size\":\"dynamic\"",
                        "\"offset\":\"16781312\",\"size\":\"dynamic\"");
    assert_int_equal(parse(), 0);
    binding_hash(&b, other);
    assert_memory_not_equal(first, other, sizeof(first));
    memcpy(text, original, sizeof(text));
    test_header_replace(text, sizeof(text), "\"sector_size\":4096", "\"sector_size\":512");
    assert_int_equal(parse(), 0);
    binding_hash(&b, other);
    assert_memory_not_equal(first, other, sizeof(first));
}

/* Computed with Python's hashlib and uuid from the text in binding.h. */
static void test_vector(void **unused)
{
    static const uint8_t wanted[BINDING_HASH_SIZE] = { 0x4d, 0x24, 0xb5, 0xb3, 0x57, 0x3a, 0x73,
                                                       0xb5, 0x51, 0xff, 0xed, 0x59, 0x7c, 0x68,
                                                       0x0a, 0x0a, 0x96, 0x55, 0x78, 0x5e, 0xe7,
                                                       0x12, 0xaa, 0xef, 0x80, 0xbf, 0x64, 0x80,
                                                       0x13, 0x48, 0x37, 0xd9 };
    uint8_t hash[BINDING_HASH_SIZE];
    char uuid[BINDING_UUID_SIZE];

    (void)unused;
    binding_btrfs_uuid(UUID, uuid);
    assert_string_equal(uuid, "bb4c6bf3-1218-8b0c-a387-45f60e1899f7");
    memcpy(text, original, sizeof(text));
    assert_int_equal(parse(), 0);
    assert_string_equal(b.btrfs, "bb4c6bf3-1218-8b0c-a387-45f60e1899f7");
    binding_hash(&b, hash);
    assert_memory_equal(hash, wanted, sizeof(hash));
}

static void test_uuid_too_long(void **unused)
{
    (void)unused;
    memcpy(text, original, sizeof(text));
    assert_int_equal(binding_parse(text, strlen(text), UUID "0", &b, &f), -EKEYREJECTED);
}

static int check(const char *type, const char *table)
{
    return binding_check_table(&b, "254:3", type, table, &f);
}

static void test_table(void **unused)
{
#define KEY ":64:logon:cryptsetup:" UUID "-d0"
    static const char *const bad[] = {
        "",
        "aes-xts-plain64 " KEY " 0 254:3 32768",
        "aes-xts-plain64 " KEY " 0 254:3 32768 1 sector_size:512",
        "aes-xts-plain64 " KEY " 0 254:3 32776 1 sector_size:4096",
        "aes-xts-plain64 " KEY " 8 254:3 32768 1 sector_size:4096",
        "aes-xts-plain64 " KEY " 0 254:4 32768 1 sector_size:4096",
        "aes-xts-plain64 :32:logon:cryptsetup:" UUID "-d0 0 254:3 32768 1 sector_size:4096",
        "cipher_null-ecb " KEY " 0 254:3 32768 1 sector_size:4096",
        "aes-xts-plain64 " KEY " 0 254:3 32768 2 sector_size:4096 iv_large_sectors",
        "aes-xts-plain64 " KEY " 0 254:3 32768 1 sector_size:4096 ",
    };

    (void)unused;
    memcpy(text, original, sizeof(text));
    assert_int_equal(parse(), 0);
    assert_int_equal(check("crypt", "aes-xts-plain64 " KEY " 0 254:3 32768 1 sector_size:4096"), 0);
    assert_int_equal(check("linear", "aes-xts-plain64 " KEY " 0 254:3 32768 1 sector_size:4096"),
                     -EKEYREJECTED);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(check("crypt", bad[i]), -EKEYREJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),     cmocka_unit_test(test_edits),
        cmocka_unit_test(test_keyslots), cmocka_unit_test(test_argon2),
        cmocka_unit_test(test_hash),     cmocka_unit_test(test_vector),
        cmocka_unit_test(test_table),    cmocka_unit_test(test_uuid_too_long),
    };

    return cmocka_run_group_tests(tests, make_original, NULL);
}
