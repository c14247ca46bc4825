#include "node/sshd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_configuration(void **state)
{
    static const char *const lines[] = {
        "\nHostKey /var/lib/ssh/ssh_host_ed25519_key\n",
        "\nAuthorizedKeysFile /run/ssh/authorized_keys\n",
        "\nAllowUsers admin\n",
        "\nPermitRootLogin no\n",
        "\nAuthenticationMethods publickey\n",
        "\nPasswordAuthentication no\n",
        "\nKbdInteractiveAuthentication no\n",
    };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    sshd_render("/var/lib/ssh", "/run/ssh", &t);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_non_null(strstr(text_string(&t), lines[i]));
}

static void test_keys(void **state)
{
    char *keys[] = { (char[]){ "ssh-ed25519 AAAA a" }, (char[]){ "ssh-ed25519 BBBB b" } };
    const struct config_admin admin = { .ssh_keys = { .items = keys, .count = 2 } };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    sshd_render_keys(&admin, &t);
    assert_string_equal(text_string(&t), "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
