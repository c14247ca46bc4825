#include "trust/signature_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { ONE = SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + SIGNATURE_HASH_SIZE };

static uint8_t owner[SIGNATURE_OWNER_SIZE], hash[SIGNATURE_HASH_SIZE], lists[3 * ONE];

static int prepare(void **state)
{
    (void)state;
    memset(owner, 0x0a, sizeof(owner));
    for (size_t i = 0; i < sizeof(hash); i++)
        hash[i] = (uint8_t)i;
    signature_list_write(SIGNATURE_IMAGE_HASH, owner, hash, sizeof(hash), lists);
    signature_list_write(SIGNATURE_CERTIFICATE, owner, hash, sizeof(hash), lists + ONE);
    signature_list_write(SIGNATURE_IMAGE_HASH, owner, hash, sizeof(hash), lists + 2 * ONE);
    return 0;
}

static void test_lists(void **state)
{
    static const enum signature_kind kinds[] = { SIGNATURE_IMAGE_HASH, SIGNATURE_CERTIFICATE,
                                                 SIGNATURE_IMAGE_HASH };
    struct signature_lists l = signature_lists_open(lists, sizeof(lists));
    struct signature s;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        assert_int_equal(signature_lists_next(&l, &s), 1);
        assert_int_equal(s.kind, kinds[i]);
        assert_int_equal(s.size, sizeof(hash));
        assert_memory_equal(s.data, hash, sizeof(hash));
        assert_memory_equal(s.owner, owner, sizeof(owner));
    }
    assert_int_equal(signature_lists_next(&l, &s), 0);
    l = signature_lists_open("", 0);
    assert_int_equal(signature_lists_next(&l, &s), 0);
}

/* Two signatures in one list; a kind that nobody knows; a hash of another size is none. */
static void test_forms(void **state)
{
    uint8_t bytes[ONE + SIGNATURE_OWNER_SIZE + SIGNATURE_HASH_SIZE] = { 0 };
    struct signature_lists l = signature_lists_open(bytes, sizeof(bytes));
    struct signature s;

    (void)state;
    memcpy(bytes, lists, ONE);
    memcpy(bytes + ONE, lists + SIGNATURE_LIST_HEADER, sizeof(bytes) - ONE);
    bytes[16] = sizeof(bytes);
    bytes[ONE + SIGNATURE_OWNER_SIZE] = 0xee;
    assert_int_equal(signature_lists_next(&l, &s), 1);
    assert_int_equal(s.data[0], 0);
    assert_int_equal(signature_lists_next(&l, &s), 1);
    assert_int_equal(s.data[0], 0xee);
    assert_int_equal(signature_lists_next(&l, &s), 0);
    bytes[24] = 24;
    bytes[16] = SIGNATURE_LIST_HEADER + 4 * 24;
    l = signature_lists_open(bytes, sizeof(bytes));
    assert_int_equal(signature_lists_next(&l, &s), 1);
    assert_int_equal(s.kind, SIGNATURE_OTHER);
    lists[0] ^= 1;
    l = signature_lists_open(lists, sizeof(lists));
    assert_int_equal(signature_lists_next(&l, &s), 1);
    assert_int_equal(s.kind, SIGNATURE_OTHER);
}

/* Every truncation within a list, and sizes that do not fit together. */
static void test_malformed(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } edits[] = {
        { 16, 27 }, { 16, 255 }, { 20, 1 }, { 20, 255 }, { 24, 16 }, { 24, 0 }, { 24, 47 }
    };

    (void)state;
    for (size_t size = 1; size < ONE; size++) {
        struct signature_lists l = signature_lists_open(lists, size);
        struct signature s;

        assert_int_equal(signature_lists_next(&l, &s), -EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
        uint8_t bytes[ONE] = { 0 };
        struct signature_lists l = signature_lists_open(bytes, sizeof(bytes));
        struct signature s;

        memcpy(bytes, lists, sizeof(bytes));
        bytes[edits[i].at] = edits[i].value;
        assert_int_equal(signature_lists_next(&l, &s), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lists, prepare),
        cmocka_unit_test_setup(test_forms, prepare),
        cmocka_unit_test_setup(test_malformed, prepare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
