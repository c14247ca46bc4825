#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/config_value.h"

typedef const char *(*judge)(const char *text);

static const struct {
    judge judge;
    const char *good[8];
    const char *bad[12];
} cases[] = {
    { config_check_hostname, { "a", "node-1", "A9" }, { "", "-a", "a-", "a.b", "a b", "a\n" } },
    { config_check_timezone,
      { "UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires", "Etc/GMT+1" },
      { "", "/UTC", "Europe/", "../x", "a//b", "a/..", "a b" } },
    { config_check_ssh_key,
      { "ssh-ed25519 AAAAC3Nza me@host", "ssh-rsa AAAA+/= a b", "sk-ssh-ed25519@openssh.com AAAA" },
      { "", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519  AAAA", "ssh-dss AAAA",
        "command=\"x\" ssh-ed25519 AAAA", "ssh-ed25519 AAAA\nssh-ed25519 BBBB",
        "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 AA\x1b[2J" } },
    { config_check_address,
      { "192.0.2.1", "::1", "2001:db8::1" },
      { "", "192.0.2", "192.0.2.256", "x", "192.0.2.1/24", " 192.0.2.1", "::1%lo" } },
    { config_check_prefix,
      { "192.0.2.1/24", "0.0.0.0/0", "2001:db8::1/128" },
      { "192.0.2.1", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/024", "::/129", "/8", "x/8",
        "192.0.2.1/-1" } },
    { config_check_server,
      { "0.debian.pool.ntp.org", "a", "::1", "192.0.2.1", "192.0.2.1:1123", "a.org:1", "[::1]:123",
        "[::1]" },
      { "", ".", "a.", ".a", "a..b", "a b", "a_b", "a:0", "a:65536", "[::1", "[a]:1", "[::1]1" } },
    { config_check_domain, { "example.org", "lan" }, { "", "a.", "-a.b", "a b" } },
    { config_check_interface,
      { "eth0", "enp0s2", "br-lan", "eth0.12" },
      { "", "a/b", "0123456789abcdef", ".", "..", "a b" } },
    { config_check_service, { "ssh", "console-ttyS0", "a_b" }, { "", "-a", "a/b", ".", "a b" } },
    { config_check_allow,
      { "tcp/22", "udp/5000-5010", "tcp/1-65535", "tcp/8080 from 10.0.0.0/8",
        "tcp/22 from 2001:db8::/32", "udp/53 from 192.0.2.1" },
      { "", "tcp", "tcp/", "tcp/0", "tcp/65536", "icmp/1", "tcp/22-21", "tcp/22 10.0.0.0/8",
        "tcp/22 from ", "tcp/22 from x", "tcp/022", "tcp/22; accept" } },
};

static void test_judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(cases[i].good) && cases[i].good[k]; k++)
            assert_null(cases[i].judge(cases[i].good[k]));
        for (size_t k = 0; k < ARRAY_SIZE(cases[i].bad) && cases[i].bad[k]; k++) {
            const char *wrong = cases[i].judge(cases[i].bad[k]);

            if (!wrong)
                print_error("case %zu accepts '%s'\n", i, cases[i].bad[k]);
            assert_non_null(wrong);
            assert_int_equal(strncmp(wrong, "must be ", 8), 0);
        }
    }
}

static void test_allow(void **state)
{
    struct config_allow allow;

    (void)state;
    assert_int_equal(config_parse_allow("udp/5000-5010 from 10.0.0.0/8", &allow), 0);
    assert_int_equal(allow.protocol, CONFIG_UDP);
    assert_int_equal(allow.first, 5000);
    assert_int_equal(allow.last, 5010);
    assert_string_equal(allow.from, "10.0.0.0/8");
    assert_false(allow.is_ipv6);
    assert_int_equal(config_parse_allow("tcp/22 from fd00::/8", &allow), 0);
    assert_true(allow.is_ipv6);
    assert_int_equal(config_parse_allow("tcp/22", &allow), 0);
    assert_int_equal(allow.first, 22);
    assert_int_equal(allow.last, 22);
    assert_string_equal(allow.from, "");
    assert_int_equal(config_parse_allow("tcp/22 from fd00::/8x", &allow), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judges),
        cmocka_unit_test(test_allow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
