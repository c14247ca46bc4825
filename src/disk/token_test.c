#include "disk/token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ORG "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define GOOD                                                                                       \
    "{\"type\":\"broch-tpm2\",\"keyslots\":[\"1\"],\"version\":1,\"policy\":\"local\",\"org\":"    \
    "\"" ORG "\",\"share_epoch\":0,\"k\":0,\"n\":0,\"sealed\":\"+/8=\"}"

static struct token_tpm2 token, result;

static int decode(const char *text)
{
    const struct json_reader value = json_reader_make(text, strlen(text));

    return token_tpm2_decode(&value, &result);
}

static void test_round_trip(void **unused)
{
    static const size_t sizes[] = { 1, 2, 3, 1000, TOKEN_SEALED_MAX };
    char text[TOKEN_SIZE_MAX];

    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct line l = line_make(text, sizeof(text));

        token = (struct token_tpm2){ .keyslot = TOKEN_KEYSLOT_MAX,
                                     .policy = TOKEN_POLICY_ORG,
                                     .share_epoch = UINT32_MAX,
                                     .k = TOKEN_SHARES_MAX,
                                     .n = TOKEN_SHARES_MAX,
                                     .sealed_size = sizes[i] };
        memset(token.org, 0xee, sizeof(token.org));
        memset(token.sealed, 0xff, sizes[i]);
        token_tpm2_encode(&token, &l);
        assert_false(l.cut);
        assert_int_equal(decode(text), 0);
        assert_memory_equal(&result, &token, sizeof(token));
    }
}

/* By hand, and with the slash as libcryptsetup's JSON library writes it. */
static void test_text(void **unused)
{
    char text[] = GOOD;

    (void)unused;
    assert_int_equal(decode(text), 0);
    assert_int_equal(result.keyslot, 1);
    assert_int_equal(result.org[31], 0x1f);
    assert_int_equal(result.sealed_size, 2);
    assert_int_equal(result.sealed[0], 0xfb);
    assert_int_equal(
        decode("{\"sealed\":\"+\\/8=\",\"n\":0,\"k\":0,\"share_epoch\":0,\"org\":\"" ORG
               "\",\"policy\":\"local\",\"version\":1,\"keyslots\":[\"31\"],"
               "\"type\":\"broch-tpm2\"}"),
        0);
    assert_int_equal(result.keyslot, 31);
    assert_int_equal(result.sealed[1], 0xff);
}

/* One place changed at a time. */
static void test_strict(void **unused)
{
    static const struct {
        const char *old, *new;
        int result;
    } edits[] = {
        { "broch-tpm2", "systemd-tpm2", -ENOENT },
        { "\"type\":\"broch-tpm2\",", "", -ENOENT },
        { "\"type\":\"broch-tpm2\",", "\"type\":\"broch-tpm2\",\"type\":\"x\",", -EBADMSG },
        { "[\"1\"]", "[]", -ENOENT }, /* its keyslot has gone */
        { "[\"1\"]", "[1]", -EBADMSG },
        { "[\"1\"]", "[\"1\",\"2\"]", -EBADMSG },
        { "[\"1\"]", "[\"01\"]", -EBADMSG },
        { "[\"1\"]", "[\"-1\"]", -EBADMSG },
        { "[\"1\"]", "[\"32\"]", -ERANGE },
        { "\"version\":1", "\"version\":2", -EBADMSG },
        { "\"version\":1", "\"version\":\"1\"", -EBADMSG },
        { "\"version\":1,", "", -EBADMSG },
        { "\"version\":1,", "\"version\":1,\"version\":1,", -EBADMSG },
        { "\"version\":1,", "\"version\":1,\"more\":1,", -EBADMSG },
        { "\"local\"", "\"none\"", -EBADMSG },
        { "\"local\"", "\"org\"", -EBADMSG }, /* no shares, so it would need none */
        { "\"k\":0", "\"k\":1", -EBADMSG },
        { "\"n\":0", "\"n\":256", -ERANGE },
        { "\"share_epoch\":0", "\"share_epoch\":1", -EBADMSG },
        { "\"share_epoch\":0", "\"share_epoch\":4294967296", -ERANGE },
        { "1e1f\"", "1e1\"", -EBADMSG },
        { "1e1f\"", "1e1f00\"", -EBADMSG },
        { "+/8=", "", -EBADMSG },
        { "+/8=", "+/9=", -EBADMSG }, /* bits behind the end */
        { "+/8=", "+/8", -EBADMSG },
        { "+/8=", "+\\u002f8=", -EBADMSG },
        { "\"}", "\"} {}", -EBADMSG },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        char text[1024] = GOOD;
        char *at = strstr(text, edits[i].old);
        size_t old = strlen(edits[i].old), new = strlen(edits[i].new);
        int r;

        assert_non_null(at);
        memmove(at + new, at + old, strlen(at + old) + 1);
        memcpy(at, edits[i].new, new);
        r = decode(text);
        if (edits[i].result == -EBADMSG ? r != -EBADMSG && r != -ERANGE : r != edits[i].result)
            fail_msg("%d for %s", r, edits[i].new);
    }
}

static void test_sealed_too_large(void **unused)
{
    char text[2 * TOKEN_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));

    (void)unused;
    line_addf(&l, "%.*s", (int)(strlen(GOOD) - strlen("+/8=\"}")), GOOD);
    for (size_t i = 0; i <= TOKEN_SEALED_MAX / 3 + 1; i++)
        line_add(&l, "AAAA");
    line_add(&l, "\"}");
    assert_false(l.cut);
    assert_int_equal(decode(text), -ERANGE);
}

/* Every beginning of a token is none. */
static void test_cut(void **unused)
{
    static const char good[] = GOOD;

    (void)unused;
    for (size_t size = 0; size < strlen(good); size++) {
        const struct json_reader value = json_reader_make(good, size);

        assert_true(token_tpm2_decode(&value, &result) < 0);
    }
}

static void test_recovery(void **unused)
{
    char text[TOKEN_SIZE_MAX];
    struct line l = line_make(text, sizeof(text));
    struct json_reader value;
    unsigned keyslot = 99;

    (void)unused;
    token_recovery_encode(7, &l);
    assert_string_equal(text, "{\"type\":\"broch-recovery\",\"keyslots\":[\"7\"],\"version\":1}");
    value = json_reader_make(text, l.length);
    assert_int_equal(token_recovery_decode(&value, &keyslot), 0);
    assert_int_equal(keyslot, 7);
    assert_int_equal(token_tpm2_decode(&value, &result), -ENOENT);
    value = json_reader_make(GOOD, strlen(GOOD));
    assert_int_equal(token_recovery_decode(&value, &keyslot), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_text),
        cmocka_unit_test(test_strict),     cmocka_unit_test(test_sealed_too_large),
        cmocka_unit_test(test_cut),        cmocka_unit_test(test_recovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
