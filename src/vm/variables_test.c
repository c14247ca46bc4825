#include "vm/variables.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"

static void check_option(const struct vm_boot_entry *entry, const char *expected)
{
    uint8_t bytes[VM_LOAD_OPTION_MAX];
    char hex[2 * VM_LOAD_OPTION_MAX + 1];
    size_t size;

    assert_int_equal(vm_load_option_encode(entry, bytes, &size), 0);
    hex_encode(bytes, size, hex);
    assert_string_equal(hex, expected);
}

/* Bytes put together by hand from UEFI 2.10, 3.1.3 and 10.3.4. */
static void test_load_option(void **state)
{
    static const uint8_t partition[16] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                           0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    struct vm_boot_entry entry = { .description = "B", .file = "\\f" };

    (void)state;
    check_option(&entry, "01000000"             /* active */
                         "0e00"                 /* length of the path */
                         "42000000"             /* "B" */
                         "04040a005c0066000000" /* file */
                         "7fff0400");           /* end */
    entry.partition = partition;
    entry.options = "x";
    check_option(&entry, "01000000"
                         "3800"
                         "42000000"
                         "04012a00"
                         "01000000"
                         "0000000000000000"
                         "0000000000000000"
                         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                         "0202"
                         "04040a005c0066000000"
                         "7fff0400"
                         "78000000");
}

static void test_load_option_refusals(void **state)
{
    _cleanup_free_ char *longest = calloc(1, VM_LOAD_OPTION_MAX);
    struct vm_boot_entry entry = { .description = "B", .file = "\\f" };
    uint8_t bytes[VM_LOAD_OPTION_MAX];
    size_t size = 77;

    (void)state;
    assert_non_null(longest);
    memset(longest, 'o', VM_LOAD_OPTION_MAX - 1);
    entry.options = longest;
    assert_int_equal(vm_load_option_encode(&entry, bytes, &size), -ERANGE);
    entry.options = "\xc3\xa4";
    assert_int_equal(vm_load_option_encode(&entry, bytes, &size), -EINVAL);
    entry.options = NULL;
    entry.file = longest;
    assert_int_equal(vm_load_option_encode(&entry, bytes, &size), -ERANGE);
    entry.file = "new\nline";
    assert_int_equal(vm_load_option_encode(&entry, bytes, &size), -EINVAL);
    assert_int_equal(size, 77);
}

static void test_hash_list(void **state)
{
    uint8_t hash[32], list[VM_HASH_LIST_SIZE];
    char hex[2 * VM_HASH_LIST_SIZE + 1];

    (void)state;
    memset(hash, 0xee, sizeof(hash));
    vm_hash_list_encode(hash, list);
    hex_encode(list, sizeof(list), hex);
    assert_memory_equal(hex,
                        "2616c4c14c509240aca941f936934328"
                        "4c000000"
                        "00000000"
                        "30000000",
                        56);
    assert_memory_equal(hex + 56,
                        "00000000000000000000000000000000"
                        "eeeeeeee",
                        40);
}

/* Base64 over all three remainders, and lines of 64 digits. */
static void test_pem(void **state)
{
    static const uint8_t bytes[] = { 'M', 'a', 'n', 0xff };
    static const char *const bodies[] = { "TQ==", "TWE=", "TWFu", "TWFu/w==" };
    uint8_t many[96];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        _cleanup_free_ char *pem = vm_certificate_pem(bytes, i + 1);
        const char *body = strchr(pem, '\n') + 1;

        assert_memory_equal(body, bodies[i], strlen(bodies[i]));
        assert_string_equal(body + strlen(bodies[i]), "\n-----END CERTIFICATE-----\n");
    }
    memset(many, 0, sizeof(many));
    for (size_t size = 47; size <= sizeof(many); size++) {
        _cleanup_free_ char *pem = vm_certificate_pem(many, size);

        for (const char *line = pem; *line; line = strchr(line, '\n') + 1)
            assert_in_range(strcspn(line, "\n"), 1, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_option),
        cmocka_unit_test(test_load_option_refusals),
        cmocka_unit_test(test_hash_list),
        cmocka_unit_test(test_pem),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
