#include "node/dhcpcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static char *addresses[] = { (char[]){ "192.0.2.7/24" }, (char[]){ "2001:db8::7/64" } };
static struct config_interface interfaces[] = {
    { .name = (char[]){ "eth0" }, .dhcp = true },
    { .name = (char[]){ "eth1" },
      .addresses = { .items = addresses, .count = 2 },
      .gateway = (char[]){ "2001:db8::1" } },
    { .name = (char[]){ "eth2" }, .gateway = (char[]){ "192.0.2.1" } },
};

/* What follows the fixed head. */
static const char *rendered(const struct config_network *network, struct text *t)
{
    const char *tail;

    text_clear(t);
    dhcpcd_render(network, t);
    tail = strstr(text_string(t), "noipv4ll\n");
    assert_non_null(tail);
    assert_non_null(strstr(text_string(t), "script /usr/lib/broch/network-hook\n"));
    return tail + strlen("noipv4ll\n");
}

static void test_configuration(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct config_network network = { .dhcp = true, .ipv6 = true };

    (void)state;
    assert_string_equal(rendered(&network, &t), "dhcp\ndhcp6\n");
    network.ipv6 = false;
    assert_string_equal(rendered(&network, &t), "dhcp\nnoipv6\nnodhcp6\n");
    network = (struct config_network){ .dhcp = false,
                                       .ipv6 = true,
                                       .interface = { .items = interfaces, .count = 2 } };
    assert_string_equal(rendered(&network, &t), "nodhcp\nnodhcp6\n"
                                                "interface eth0\ndhcp\ndhcp6\n"
                                                "interface eth1\nnodhcp\nnodhcp6\n");
}

static void test_find(void **state)
{
    const struct config_network network = { .interface = { .items = interfaces, .count = 3 } };

    (void)state;
    assert_ptr_equal(dhcpcd_find_interface(&network, "eth1"), &interfaces[1]);
    assert_null(dhcpcd_find_interface(&network, "eth"));
    assert_null(dhcpcd_find_interface(&network, "eth10"));
}

static void expect(size_t interface, size_t index, const char *line)
{
    const char *arguments[DHCPCD_ARGUMENTS_MAX];
    _cleanup_text_ struct text t = TEXT_INIT;

    assert_true(dhcpcd_ip_arguments(&interfaces[interface], index, arguments));
    for (size_t i = 0; arguments[i]; i++)
        text_addf(&t, "%s%s", i == 0 ? "" : " ", arguments[i]);
    assert_string_equal(text_string(&t), line);
}

static void test_ip(void **state)
{
    const char *arguments[DHCPCD_ARGUMENTS_MAX];

    (void)state;
    expect(1, 0, "/usr/bin/ip address replace 192.0.2.7/24 dev eth1");
    expect(1, 1, "/usr/bin/ip address replace 2001:db8::7/64 dev eth1");
    expect(1, 2, "/usr/bin/ip -6 route replace default via 2001:db8::1 dev eth1");
    expect(2, 0, "/usr/bin/ip -4 route replace default via 192.0.2.1 dev eth2");
    assert_false(dhcpcd_ip_arguments(&interfaces[1], 3, arguments));
    assert_false(dhcpcd_ip_arguments(&interfaces[0], 0, arguments));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_ip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
