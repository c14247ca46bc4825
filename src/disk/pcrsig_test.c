#include "disk/pcrsig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "disk/test_policy.h"

static const uint8_t approved[PCRSIG_DIGEST_SIZE] = { 0xab, 0x12, [31] = 0xff };
static char json[TEST_POLICY_TEXT_MAX], pem[TEST_POLICY_TEXT_MAX];

static int parse(const char *text, struct seal_policy *ret)
{
    struct failure f = FAILURE_NONE;
    const int r = pcrsig_parse(text, strlen(text), pem, strlen(pem), ret, &f);

    if (r < 0)
        assert_int_equal(f.code, CODE_UNSEAL_POLICY);
    return r;
}

static int make(void **state)
{
    (void)state;
    test_policy_write(approved, 41, json, pem);
    return 0;
}

static void test_good(void **state)
{
    struct seal_policy policy;

    (void)state;
    assert_int_equal(parse(json, &policy), 0);
    assert_int_equal(policy.epoch, 41);
    assert_memory_equal(policy.approved, approved, sizeof(approved));
    assert_true(policy.modulus[0] & 0x80);
}

/* Replaces `from`, which is there, and wants a refusal. */
static void refused(const char *from, const char *to)
{
    char changed[2 * TEST_POLICY_TEXT_MAX];
    const char *at = strstr(json, from);
    struct seal_policy policy;

    assert_non_null(at);
    (void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - json), json, to,
                   at + strlen(from));
    assert_true(parse(changed, &policy) < 0);
}

static void test_other_forms(void **state)
{
    static const char *const changes[][2] = {
        { "sha256", "sha384" },
        { "[11]", "[7]" },
        { "[11]", "[11,12]" },
        { "[11]", "[]" },
        { "[11]", "11" },
        { "[11]", "[12]" },
        { "\"epoch\":41", "\"epoch\":-1" },
        { "\"epoch\":41", "\"epoch\":041" },
        { "\"epoch\":41", "\"epoch\":9223372036854775808" },
        { "\"epoch\":41", "\"epoch\":\"41\"" },
        { "\"epoch\":41", "\"age\":41" },
        { ",\"epoch\":41", "" },
        { "\"epoch\":41", "\"epoch\":41,\"epoch\":41" },
        { "\"epoch\":41", "\"epoch\":41,\"more\":1" },
        { "0x01800100", "0x01800101" },
        { "0x01800100", "0x1800100" },
        { "\"pol\":\"ab", "\"pol\":\"a" },
        { "\"pol\":\"ab", "\"pol\":\"zz" },
        { "\"sig\":\"", "\"sig\":\"A" },
        { "==\"", "\"" },
        { "==\"", "AA\"" },
        { "}]}", "},{}]}" },
        { "}]}", "}],\"sha1\":[]}" },
        { "}]}", "}]} x" },
        { "}]}", "}]" },
        { "{\"sha256\":", "[" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
        refused(changes[i][0], changes[i][1]);
}

static void test_truncated(void **state)
{
    struct failure f = FAILURE_NONE;
    struct seal_policy policy;

    (void)state;
    for (size_t size = 0; size < strlen(json); size++)
        assert_true(pcrsig_parse(json, size, pem, strlen(pem), &policy, &f) < 0);
    for (size_t size = 0; size < strlen(pem) - 1; size++) /* its last byte is a newline */
        assert_true(pcrsig_parse(json, strlen(json), pem, size, &policy, &f) < 0);
}

/* A key that the fingerprint does not name, or of another kind. */
static void test_key(void **state)
{
    static const char ed25519[] = "-----BEGIN PUBLIC KEY-----\n"
                                  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                                  "-----END PUBLIC KEY-----\n";
    struct failure f = FAILURE_NONE;
    struct seal_policy policy;
    char *at = strstr(pem, "\n") + 60;
    const char was = *at;

    (void)state;
    *at = was == 'A' ? 'B' : 'A';
    assert_true(parse(json, &policy) < 0);
    *at = was;
    assert_int_equal(parse(json, &policy), 0);
    assert_true(pcrsig_parse(json, strlen(json), ed25519, strlen(ed25519), &policy, &f) < 0);
}

static void test_too_large(void **state)
{
    _cleanup_free_ char *spaces = malloc(PCRSIG_SIZE_MAX + 1);
    struct failure f = FAILURE_NONE;
    struct seal_policy policy;

    (void)state;
    assert_non_null(spaces);
    memset(spaces, ' ', PCRSIG_SIZE_MAX + 1);
    assert_int_equal(pcrsig_parse(spaces, PCRSIG_SIZE_MAX + 1, pem, strlen(pem), &policy, &f),
                     -ERANGE);
    assert_int_equal(pcrsig_parse(json, strlen(json), spaces, PCRSIG_SIZE_MAX + 1, &policy, &f),
                     -ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_key),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, make, NULL);
}
