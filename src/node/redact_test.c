#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "node/redact.h"

static void test_redaction(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "plain text\n", "plain text\n" },
        { "password = \"xyzzy\"\nhost = \"a\"\n", "password = \"(removed)\"\nhost = \"a\"\n" },
        { "PASSWORD=xyzzy rest\n", "PASSWORD=(removed) rest\n" },
        { "wifi_psk='xy zzy' rest\n", "wifi_psk='(removed)' rest\n" },
        { "run --db-token=xyzzy,b\n", "run --db-token=(removed),b\n" },
        { "{\"api_key\": \"xy\\\"zzy\", \"a\": 1}\n", "{\"api_key\": \"(removed)\", \"a\": 1}\n" },
        { "Authorization: Bearer xyzzy abc\nnext\n", "Authorization: (removed)\nnext\n" },
        { "secret\n= xyzzy\n", "secret\n= xyzzy\n" }, /* names and values stand on one line */
        { "the password is wrong\n", "the password is wrong\n" },
        { "password=\n", "password=\n" },
        { "password=\"xyzzy\nnext\n", "password=\"(removed)\nnext\n" },
        { "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nxyzzy\n-----END OPENSSH PRIVATE KEY-----\nb\n",
          "a\n(removed)\nb\n" },
        { "-----BEGIN PRIVATE KEY-----\nxyzzy\n", "(removed)" },
        { "key=-----BEGIN PRIVATE KEY-----\nxyzzy\n", "key=(removed)" },
        { "secret=-----BEGIN PRIVATE KEY-----\nxyzzy\n-----END PRIVATE KEY-----\nb\n",
          "secret=(removed)\nb\n" },
        { "secret: \"-----BEGIN PRIVATE KEY-----\nxyzzy\n-----END PRIVATE KEY-----\"\nb\n",
          "secret: \"(removed)\nb\n" },
        { "password = \"\"\"\nxyzzy\n\"\"\"\nb\n", "password = \"(removed)\"\"\"\nb\n" },
        { "r-----BEGIN PRIVATE KEY-----\nxyzzy\n", "r(removed)" },
        { "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n",
          "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n" },
        { "ssh_keys = [\"ssh-ed25519 AAAA me\"]\n", "ssh_keys = [\"ssh-ed25519 AAAA me\"]\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        redact_add(&t, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(text_string(&t), cases[i][1]);
        if (!strstr(cases[i][1], "xyzzy"))
            assert_null(strstr(text_string(&t), "xyzzy"));
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(redact_is_secret("Admin_PassWord2", 15));
    assert_true(redact_is_secret("token", 5));
    assert_false(redact_is_secret("toke", 4));
    assert_false(redact_is_secret("ssh_keys", 8));
    assert_false(redact_is_secret("", 0));
}

/* Every cut of the text, and zero bytes in it, are fine. */
static void test_any_length(void **state)
{
    static const char text[] = "token=\"a\\\"b\" -----BEGIN PRIVATE KEY-----\n\0secret: x\n";

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        redact_add(&t, text, i);
        assert_int_equal(text_status(&t), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
