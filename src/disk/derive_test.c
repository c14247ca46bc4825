#include "disk/derive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

/* Computed with Python's hmac and hashlib, by the letter of RFC 5869. */
static const uint8_t passphrase[DERIVE_SIZE] = { 0xae, 0xc8, 0x44, 0x28, 0x2b, 0x12, 0x79, 0x8b,
                                                 0x69, 0x17, 0x16, 0xae, 0xf4, 0x6d, 0xd0, 0x42,
                                                 0x43, 0xba, 0x5d, 0x35, 0xfc, 0xaa, 0xe1, 0x65,
                                                 0x23, 0xcc, 0x69, 0xcd, 0xd9, 0xb7, 0xea, 0x3b };
static const uint8_t owner[DERIVE_SIZE] = { 0xb6, 0x4e, 0x77, 0x2e, 0xd6, 0x76, 0xe6, 0xe3,
                                            0x81, 0x39, 0xb6, 0xae, 0x5e, 0xaf, 0xcf, 0x8e,
                                            0xf0, 0x62, 0x51, 0xd8, 0xe5, 0xac, 0x79, 0x06,
                                            0xed, 0xaa, 0x7b, 0xfa, 0x9c, 0x27, 0x76, 0x75 };
static const uint8_t lockout[DERIVE_SIZE] = { 0xb3, 0xe3, 0x52, 0xb0, 0xa9, 0x42, 0x8a, 0x98,
                                              0xe1, 0x57, 0x88, 0x5a, 0x5e, 0x25, 0xc8, 0x47,
                                              0x76, 0xc7, 0xf0, 0x99, 0x7b, 0x01, 0x09, 0x5a,
                                              0x15, 0xa4, 0xa4, 0xb6, 0xaf, 0x95, 0xf5, 0x4d };

static void test_vectors(void **unused)
{
    struct secret key = { .size = 64 }, result = SECRET_INIT;
    uint8_t preboot[DERIVE_PREBOOT_SIZE], org[DERIVE_ORG_SIZE];
    struct failure f = FAILURE_NONE;

    (void)unused;
    for (unsigned i = 0; i < 64; i++)
        key.bytes[i] = (uint8_t)(i * 7 + 1);
    for (unsigned i = 0; i < 32; i++) {
        preboot[i] = (uint8_t)i;
        org[i] = (uint8_t)(0x80 + i);
    }
    assert_int_equal(derive_passphrase(preboot, org, UUID, &result, &f), 0);
    assert_int_equal(result.size, DERIVE_SIZE);
    assert_memory_equal(result.bytes, passphrase, DERIVE_SIZE);
    assert_int_equal(derive_owner(&key, UUID, &result, &f), 0);
    assert_memory_equal(result.bytes, owner, DERIVE_SIZE);
    assert_int_equal(derive_lockout(&key, UUID, &result, &f), 0);
    assert_memory_equal(result.bytes, lockout, DERIVE_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
