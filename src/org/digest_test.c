#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "org/digest.h"

static void sha256_of_abc(void **state)
{
    char text[2 * DIGEST_SIZE + 1];
    struct digest whole = digest_bytes("abc", 3), parts = digest_pair("a", 1, "bc", 2);

    hex_encode(whole.bytes, DIGEST_SIZE, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_equal(whole.bytes, parts.bytes, DIGEST_SIZE);
}

/* The vector of the SipHash paper: key 00..0f, message 00..0e. */
static void siphash_of_the_paper(void **state)
{
    uint8_t salt[DIGEST_SALT_SIZE], message[15];

    for (uint8_t i = 0; i < 16; i++)
        salt[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        message[i] = i;
    assert_true(digest_short(salt, message, sizeof(message)) == 0xa129ca6149be45e5ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_abc),
        cmocka_unit_test(siphash_of_the_paper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
