#include "boot/partition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define UUID_UPPER "AAAAAAAA-0000-4000-8000-00000000000F"
#define UUID_LOWER "aaaaaaaa-0000-4000-8000-00000000000f"

/* UTF-16LE with its closing zero. */
static size_t encode(const char *text, uint8_t *ret)
{
    size_t length = strlen(text) + 1;

    for (size_t i = 0; i < length; i++) {
        ret[2 * i] = (uint8_t)text[i];
        ret[2 * i + 1] = 0;
    }
    return 2 * length;
}

static void test_decode(void **unused)
{
    uint8_t bytes[128];
    struct partition_uuid uuid;
    size_t size = encode(UUID_UPPER, bytes);

    (void)unused;
    assert_int_equal(partition_uuid_decode(bytes, size, &uuid), 0);
    assert_string_equal(uuid.text, UUID_LOWER);
    size = encode(UUID_LOWER, bytes);
    assert_int_equal(partition_uuid_decode(bytes, size, &uuid), 0);
    assert_string_equal(uuid.text, UUID_LOWER);
    assert_int_equal(partition_uuid_decode(bytes, 0, &uuid), 0);
    assert_string_equal(uuid.text, "");
    assert_int_equal(partition_uuid_decode("\0", 2, &uuid), 0);
    assert_string_equal(uuid.text, "");
}

static void test_decode_refused(void **unused)
{
    static const char *const cases[] = { "a",
                                         "AAAAAAAA-0000-4000-8000-00000000000",
                                         "AAAAAAAA-0000-4000-8000-00000000000FF",
                                         "AAAAAAAA00000-4000-8000-00000000000F",
                                         "{AAAAAAA-0000-4000-8000-00000000000F",
                                         "AAAAAAAA-0000-4000-8000-00000000000G",
                                         "AAAAAAAA-0000-4000-8000-0000000000-F" };
    uint8_t bytes[128];
    struct partition_uuid uuid;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(partition_uuid_decode(bytes, encode(cases[i], bytes), &uuid), -EBADMSG);
}

static void test_decode_damaged(void **unused)
{
    uint8_t bytes[128], copy[128];
    struct partition_uuid uuid;
    size_t size = encode(UUID_UPPER, bytes);

    (void)unused;
    for (size_t cut = 1; cut < size; cut++)
        assert_int_equal(partition_uuid_decode(bytes, cut, &uuid), -EBADMSG);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        memcpy(copy, bytes, size);
        copy[bit / 8] = (uint8_t)(copy[bit / 8] ^ (1 << (bit % 8)));
        /* Some flips give another digit, and the one of case gives the same. */
        if (partition_uuid_decode(copy, size, &uuid) == 0)
            assert_int_equal(strlen(uuid.text), PARTITION_UUID_LENGTH);
    }
    memset(bytes + size, 0, 2);
    assert_int_equal(partition_uuid_decode(bytes, size + 2, &uuid), -EBADMSG);
}

static void test_parse(void **unused)
{
    static const char part[] = "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nDEVTYPE=partition\nDISKSEQ=2\n"
                               "PARTN=1\nPARTNAME=slot-a\n";
    static const char disk[] = "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=2\n";
    struct partition_device d;
    struct partition p;

    (void)unused;
    assert_int_equal(partition_parse(part, strlen(part), &p), 0);
    assert_string_equal(p.device.name, "vda1");
    assert_int_equal(p.device.major, 254);
    assert_int_equal(p.device.minor, 1);
    assert_int_equal(p.number, 1);
    assert_int_equal(partition_parse(disk, strlen(disk), &p), -ENOENT);
    assert_int_equal(partition_device_parse(disk, strlen(disk), &d), 0);
    assert_string_equal(d.name, "vda");
    for (size_t size = 0; size < strlen(part); size++) {
        int r = partition_parse(part, size, &p);

        assert_true(r == -ENOENT || r == -EBADMSG || (r == 0 && p.number == 1));
    }
}

static void test_parse_refused(void **unused)
{
    static const char *const cases[] = {
        "MAJOR=254\nMINOR=1\nDEVNAME=../vda1\nPARTN=1\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=a/b\nPARTN=1\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=\nPARTN=1\n",
        "MAJOR=254\nMINOR=1\nPARTN=1\n",
        "MINOR=1\nDEVNAME=vda1\nPARTN=1\n",
        "MAJOR=254\nMINOR=-1\nDEVNAME=vda1\nPARTN=1\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nPARTN=0\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nPARTN=x\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nPARTN=1\nPARTN=2\n",
        "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nDEVNAME=vdb1\nPARTN=1\n",
    };
    struct partition p;

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(partition_parse(cases[i], strlen(cases[i]), &p), -EBADMSG);
}

/* Exhaustive over what can differ. */
static void test_decide(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 4 * 2 * 3; i++) {
        unsigned count = i % 4;
        bool settled = i / 4 % 2 == 1;
        uint64_t now = 99 + i / 8; /* before, at and after the deadline */
        struct partition_search s = { count, settled, now, 100 };
        enum partition_verdict verdict = partition_decide(&s);

        if (count > 1)
            assert_int_equal(verdict, PARTITION_TWICE);
        else if (count == 1)
            assert_int_equal(verdict, settled || now >= 100 ? PARTITION_FOUND : PARTITION_WAIT);
        else
            assert_int_equal(verdict, now >= 100 ? PARTITION_MISSING : PARTITION_WAIT);
    }
}

static void test_slot_name(void **unused)
{
    (void)unused;
    assert_null(partition_slot_name(0));
    assert_string_equal(partition_slot_name(1), "A");
    assert_string_equal(partition_slot_name(2), "B");
    assert_null(partition_slot_name(3));
    assert_null(partition_slot_name(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),         cmocka_unit_test(test_decode_refused),
        cmocka_unit_test(test_decode_damaged), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refused),  cmocka_unit_test(test_decide),
        cmocka_unit_test(test_slot_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
