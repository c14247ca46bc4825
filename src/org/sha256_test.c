#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sodium.h>

#include "org/org_test.h"
#include "org/sha256.h"

enum { STRING_MAX = 1000 };

static void hash(const void *bytes, size_t size, uint8_t ret[static SHA256_SIZE])
{
    struct sha256 s;

    sha256_begin(&s);
    sha256_add(&s, bytes, size);
    sha256_end(&s, ret);
}

/* The examples of FIPS 180-4. */
static void the_standard_examples(void **state)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t digest[SHA256_SIZE];
        char text[2 * SHA256_SIZE + 1];

        hash(cases[i].text, strlen(cases[i].text), digest);
        (void)sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
        assert_string_equal(text, cases[i].digest);
    }
}

/* Every length, at once and in two parts, against libsodium. */
static void every_length_is_as_libsodium_has_it(void **state)
{
    uint8_t bytes[STRING_MAX], expected[SHA256_SIZE], digest[SHA256_SIZE];
    uint64_t seed = 1;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)test_random(&seed);
    for (size_t size = 0; size <= STRING_MAX; size++) {
        size_t cut = test_random(&seed) % (size + 1);
        struct sha256 s;

        (void)crypto_hash_sha256(expected, bytes, size);
        hash(bytes, size, digest);
        assert_memory_equal(digest, expected, sizeof(digest));
        sha256_begin(&s);
        sha256_add(&s, bytes, cut);
        sha256_add(&s, bytes + cut, size - cut);
        sha256_end(&s, digest);
        assert_memory_equal(digest, expected, sizeof(digest));
    }
}

static void many_small_parts(void **state)
{
    uint8_t expected[SHA256_SIZE], digest[SHA256_SIZE];
    crypto_hash_sha256_state other;
    uint64_t seed = 2;
    struct sha256 s;

    sha256_begin(&s);
    (void)crypto_hash_sha256_init(&other);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t part[20] = { test_random(&seed), test_random(&seed) };
        size_t size = test_random(&seed) % sizeof(part);

        sha256_add(&s, part, size);
        (void)crypto_hash_sha256_update(&other, (const uint8_t *)part, size);
    }
    sha256_end(&s, digest);
    (void)crypto_hash_sha256_final(&other, expected);
    assert_memory_equal(digest, expected, sizeof(digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standard_examples),
        cmocka_unit_test(every_length_is_as_libsodium_has_it),
        cmocka_unit_test(many_small_parts),
    };

    if (!sha256_available()) { /* libsodium is used then, and digest_test checks that */
        (void)printf("this processor has no instructions for SHA-256\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
