/* The form of the file. That a signature counts, and for what, is in src/image/key_change_test.c,
 * where there are keys to sign with. */
#include "trust/key_change.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "trust/signature_list.h"

enum {
    HEADER_SIZE = 40,
    SIGNATURE_SIZE = 5,
    CONTENT_SIZE = SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + SIGNATURE_HASH_SIZE,
    FILE_SIZE = HEADER_SIZE + SIGNATURE_SIZE + CONTENT_SIZE
};

static uint8_t file[FILE_SIZE];

static int prepare(void **state)
{
    static const uint8_t header[24] = { 24 + SIGNATURE_SIZE,
                                        0,
                                        0,
                                        0,
                                        0x00,
                                        0x02,
                                        0xf1,
                                        0x0e,
                                        0x9d,
                                        0xd2,
                                        0xaf,
                                        0x4a,
                                        0xdf,
                                        0x68,
                                        0xee,
                                        0x49,
                                        0x8a,
                                        0xa9,
                                        0x34,
                                        0x7d,
                                        0x37,
                                        0x56,
                                        0x65,
                                        0xa7 };
    static const uint8_t owner[SIGNATURE_OWNER_SIZE] = { 1 }, hash[SIGNATURE_HASH_SIZE] = { 2 };

    (void)state;
    memset(file, 0x11, sizeof(file));
    memcpy(file + 16, header, sizeof(header));
    signature_list_write(SIGNATURE_IMAGE_HASH, owner, hash, sizeof(hash),
                         file + HEADER_SIZE + SIGNATURE_SIZE);
    return 0;
}

static void test_parse(void **state)
{
    struct key_change change;

    (void)state;
    assert_int_equal(key_change_parse(file, sizeof(file), &change), 0);
    assert_ptr_equal(change.time, file);
    assert_ptr_equal(change.signature, file + HEADER_SIZE);
    assert_int_equal(change.signature_size, SIGNATURE_SIZE);
    assert_int_equal(change.size, CONTENT_SIZE);
    assert_int_equal(key_change_verify(&change, (struct key_target){ KEY_VARIABLE_DBX, true },
                                       change.content, change.size),
                     -EKEYREJECTED);
}

/* Every truncation, and every byte of what is not time, signature or content. */
static void test_malformed(void **state)
{
    struct key_change change;

    (void)state;
    for (size_t size = 0; size < sizeof(file); size++)
        assert_int_equal(key_change_parse(file, size, &change), -EBADMSG);
    for (size_t i = 16; i < HEADER_SIZE; i++) {
        file[i] ^= 0x80;
        assert_int_equal(key_change_parse(file, sizeof(file), &change), -EBADMSG);
        file[i] ^= 0x80;
    }
    /* A change of nothing. */
    assert_int_equal(key_change_parse(file, HEADER_SIZE + SIGNATURE_SIZE, &change), -EBADMSG);
}

/* UEFI 2.10, 8.2.2: name, GUID, attributes, time, content. */
static void test_message(void **state)
{
    static const uint8_t begin[] = { 'd', 0, 'b', 0, 'x', 0, 0xcb, 0xb2, 0x19, 0xd7 };
    struct key_change change;
    _cleanup_free_ uint8_t *adds = NULL, *replaces = NULL;
    size_t size;

    (void)state;
    assert_int_equal(key_change_parse(file, sizeof(file), &change), 0);
    adds = key_change_message((struct key_target){ KEY_VARIABLE_DBX, true }, &change, &size);
    assert_non_null(adds);
    assert_int_equal(size, 6 + 16 + 4 + KEY_CHANGE_TIME_SIZE + CONTENT_SIZE);
    assert_memory_equal(adds, begin, sizeof(begin));
    assert_memory_equal(adds + 22, "\x67\0\0\0", 4);
    assert_memory_equal(adds + 26, file, KEY_CHANGE_TIME_SIZE);
    assert_memory_equal(adds + 26 + KEY_CHANGE_TIME_SIZE, change.content, CONTENT_SIZE);
    replaces = key_change_message((struct key_target){ KEY_VARIABLE_DBX, false }, &change, &size);
    assert_non_null(replaces);
    assert_memory_equal(replaces + 22, "\x27\0\0\0", 4);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(key_variable_name(KEY_VARIABLE_KEK), "KEK");
    assert_string_equal(key_variable_guid(KEY_VARIABLE_KEK),
                        "8be4df61-93ca-11d2-aa0d-00e098032b8c");
    assert_string_equal(key_variable_guid(KEY_VARIABLE_DB), "d719b2cb-3d3a-4596-a3bc-dad00e67656f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_parse, prepare),
        cmocka_unit_test_setup(test_malformed, prepare),
        cmocka_unit_test_setup(test_message, prepare),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
