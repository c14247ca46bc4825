#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"

/* From the paper's appendix A (15 bytes) and the published vector list (0, 1, 7, 8 and 63 bytes):
 * key 00 01 .. 0f, message 00 01 02 .. */
static void test_published_vectors(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } cases[] = {
        { 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd },  { 7, 0xab0200f58b01d137 },
        { 8, 0x93f5f5799a932462 }, { 15, 0xa129ca6149be45e5 }, { 63, 0x958a324ceb064572 },
    };
    uint8_t key[SIPHASH_KEY_SIZE], message[64];

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_true(siphash(key, message, cases[i].size) == cases[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_published_vectors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
