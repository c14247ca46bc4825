#include "node/lease.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct variable {
    const char *name, *value;
};

static const char *get(const char *name, void *context)
{
    for (const struct variable *v = context; v->name; v++) {
        if (strcmp(v->name, name) == 0)
            return v->value;
    }
    return NULL;
}

#define REPORT(facts, ...)                                                                         \
    lease_apply((facts), get, (struct variable[]){ __VA_ARGS__, { NULL, NULL } })

static const struct schema_list none = { .count = 0 };

static const char *resolver(json_object *facts, const struct schema_list *dns,
                            const struct schema_list *search)
{
    static char result[2048];
    _cleanup_text_ struct text t = TEXT_INIT;
    const char *newline;

    lease_word_resolver(facts, dns, search, &t);
    newline = strchr(text_string(&t), '\n');
    assert_true(text_string(&t)[0] == '#' && newline);
    (void)snprintf(result, sizeof(result), "%s", newline + 1);
    return result;
}

static const char *sources(json_object *facts)
{
    static char result[2048];
    _cleanup_text_ struct text t = TEXT_INIT;

    lease_word_time_sources(facts, &t);
    (void)snprintf(result, sizeof(result), "%s", text_string(&t));
    return result;
}

static void expect(json_object *facts, const char *json)
{
    assert_string_equal(json_object_to_json_string_ext(facts, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE),
                        json);
}

static void bind_dhcp(json_object *facts)
{
    assert_int_equal(REPORT(facts, { "interface", "eth0" }, { "protocol", "dhcp" },
                            { "reason", "BOUND" }, { "ifcarrier", "up" }, { "if_up", "true" },
                            { "if_down", "false" }, { "interface_order", "eth0 lo" },
                            { "new_ip_address", "10.0.2.15" }, { "new_subnet_cidr", "24" },
                            { "new_routers", "10.0.2.2" },
                            { "new_domain_name_servers", "10.0.2.3 10.0.2.4" },
                            { "new_domain_name", "b.org" }, { "new_domain_search", "a.org b.org" },
                            { "new_ntp_servers", "10.0.2.9" }, { "new_dhcp_lease_time", "86400" }),
                     0);
}

static void test_lease(void **state)
{
    json_object *facts = lease_facts_new();

    (void)state;
    assert_string_equal(resolver(facts, &none, &none), "");
    bind_dhcp(facts);
    expect(facts, "{\"interfaces\":{\"eth0\":{\"leases\":{\"dhcp\":{\"reason\":\"BOUND\","
                  "\"addresses\":[\"10.0.2.15/24\"],\"routers\":[\"10.0.2.2\"],"
                  "\"dns\":[\"10.0.2.3\",\"10.0.2.4\"],\"search\":[\"a.org\",\"b.org\"],"
                  "\"ntp\":[\"10.0.2.9\"],\"lease_seconds\":86400}},\"carrier\":\"up\"}},"
                  "\"order\":[\"eth0\",\"lo\"]}");
    assert_string_equal(resolver(facts, &none, &none),
                        "search a.org b.org\nnameserver 10.0.2.3\nnameserver 10.0.2.4\n");
    assert_string_equal(sources(facts), "server 10.0.2.9 iburst\n");
    json_object_put(facts);
}

/* The cable out and in again, and an interface that goes. */
static void test_lost_and_regained(void **state)
{
    json_object *facts = lease_facts_new();

    (void)state;
    bind_dhcp(facts);
    assert_int_equal(REPORT(facts, { "interface", "eth0" }, { "protocol", "dhcp" },
                            { "reason", "EXPIRE" }, { "if_up", "false" }, { "if_down", "true" }),
                     0);
    assert_string_equal(resolver(facts, &none, &none), "");
    bind_dhcp(facts);
    assert_int_equal(REPORT(facts, { "interface", "eth0" }, { "protocol", "link" },
                            { "reason", "NOCARRIER" }, { "ifcarrier", "down" },
                            { "if_up", "false" }, { "if_down", "true" }),
                     0);
    assert_string_equal(resolver(facts, &none, &none), "");
    expect(facts, "{\"interfaces\":{\"eth0\":{\"carrier\":\"down\"}},\"order\":[]}");
    bind_dhcp(facts);
    assert_non_null(strstr(resolver(facts, &none, &none), "nameserver 10.0.2.3\n"));
    /* A carrier that comes changes no lease. */
    assert_int_equal(REPORT(facts, { "interface", "eth0" }, { "protocol", "link" },
                            { "reason", "CARRIER" }, { "ifcarrier", "up" }, { "if_up", "false" },
                            { "if_down", "false" }),
                     0);
    assert_non_null(strstr(resolver(facts, &none, &none), "nameserver 10.0.2.3\n"));
    assert_int_equal(REPORT(facts, { "interface", "eth0" }, { "protocol", "link" },
                            { "reason", "DEPARTED" }, { "if_down", "true" }),
                     0);
    expect(facts, "{\"interfaces\":{},\"order\":[]}");
    json_object_put(facts);
}

/* IPv6 alone: two routers, servers that are reachable on one link only. */
static void test_advertisements(void **state)
{
    json_object *facts = lease_facts_new();

    (void)state;
    assert_int_equal(
        REPORT(facts, { "interface", "eth1" }, { "protocol", "ra" }, { "reason", "ROUTERADVERT" },
               { "ifcarrier", "up" }, { "if_up", "true" }, { "nd1_from", "fe80::2" },
               { "nd1_addr1", "fec0::5054:ff:fe12:3456/64" }, { "nd1_rdnss1_servers", "fec0::3" },
               { "nd1_dnssl1_search", "v6.example.org" }, { "nd2_from", "fe80::7" },
               { "nd2_rdnss1_servers", "fe80::7%eth1 fec0::3" }),
        0);
    assert_string_equal(resolver(facts, &none, &none),
                        "search v6.example.org\nnameserver fec0::3\nnameserver fe80::7%eth1\n");
    assert_non_null(strstr(json_object_to_json_string_ext(facts, JSON_C_TO_STRING_NOSLASHESCAPE),
                           "fec0::5054:ff:fe12:3456/64"));
    assert_int_equal(REPORT(facts, { "interface", "eth1" }, { "protocol", "dhcp6" },
                            { "reason", "BOUND6" }, { "if_up", "true" },
                            { "new_dhcp6_ia_na1_ia_addr1", "fec0::99" },
                            { "new_dhcp6_name_servers", "fec0::4" }),
                     0);
    assert_non_null(strstr(resolver(facts, &none, &none), "nameserver fec0::4\n"));
    assert_non_null(strstr(json_object_to_json_string(facts), "fec0::99"));
    assert_int_equal(REPORT(facts, { "interface", "eth1" }, { "protocol", "dhcp6" },
                            { "reason", "EXPIRE6" }, { "if_up", "false" }, { "if_down", "true" }),
                     0);
    assert_null(strstr(resolver(facts, &none, &none), "fec0::4"));
    assert_non_null(strstr(resolver(facts, &none, &none), "fec0::3"));
    json_object_put(facts);
}

/* The interface with the better route first; what the configuration says instead of all. */
static void test_order_and_wishes(void **state)
{
    char *servers[] = { (char[]){ "192.0.2.1" } }, *domains[] = { (char[]){ "x.org" } };
    const struct schema_list dns = { .items = servers, .count = 1 };
    const struct schema_list search = { .items = domains, .count = 1 };
    json_object *facts = lease_facts_new();

    (void)state;
    bind_dhcp(facts);
    assert_int_equal(REPORT(facts, { "interface", "wlan0" }, { "protocol", "dhcp" },
                            { "reason", "BOUND" }, { "if_up", "true" },
                            { "interface_order", "wlan0 eth0" },
                            { "new_domain_name_servers", "10.9.9.9 10.0.2.3" }),
                     0);
    /* Three at most. */
    assert_string_equal(resolver(facts, &none, &none),
                        "search a.org b.org\nnameserver 10.9.9.9\nnameserver 10.0.2.3\n"
                        "nameserver 10.0.2.4\n");
    assert_string_equal(resolver(facts, &dns, &none), "search a.org b.org\nnameserver 192.0.2.1\n");
    assert_string_equal(resolver(facts, &dns, &search), "search x.org\nnameserver 192.0.2.1\n");
    json_object_put(facts);
}

/* What a hostile network says ends in no file. */
static void test_bad_values(void **state)
{
    json_object *facts = lease_facts_new();

    (void)state;
    assert_int_equal(
        REPORT(facts, { "interface", "eth0" }, { "protocol", "dhcp" }, { "reason", "BOUND" },
               { "if_up", "true" }, { "new_ip_address", "10.0.2.15" }, { "new_subnet_cidr", "99" },
               { "new_domain_name_servers", "10.0.2.3\noptions 10.0.2.4" },
               { "new_domain_search", "a.org\nnameserver;x `id` ../x" },
               { "new_ntp_servers", "pool.ntp.org 1.2.3.4x" }, { "new_dhcp_lease_time", "-1" }),
        0);
    assert_string_equal(resolver(facts, &none, &none), "nameserver 10.0.2.4\n");
    assert_string_equal(sources(facts), "");
    assert_null(strstr(json_object_to_json_string(facts), "lease_seconds"));
    json_object_put(facts);
}

static void test_bad_reports(void **state)
{
    json_object *facts = lease_facts_new();
    char name[16];

    (void)state;
    assert_int_equal(REPORT(facts, { "interface", "eth0" }), -EBADMSG);
    assert_int_equal(
        REPORT(facts, { "interface", "../eth0" }, { "protocol", "dhcp" }, { "reason", "BOUND" }),
        -EBADMSG);
    assert_int_equal(
        REPORT(facts, { "interface", "eth0" }, { "protocol", "d h" }, { "reason", "BOUND" }),
        -EBADMSG);
    assert_int_equal(
        REPORT(facts, { "interface", "eth0" }, { "protocol", "dhcp" }, { "reason", "bound" }),
        -EBADMSG);
    expect(facts, "{\"interfaces\":{}}");
    for (int i = 0; i <= LEASE_INTERFACES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "eth%d", i);
        assert_int_equal(
            REPORT(facts, { "interface", name }, { "protocol", "link" }, { "reason", "CARRIER" }),
            i < LEASE_INTERFACES_MAX ? 0 : -ENOSPC);
    }
    json_object_put(facts);
    assert_null(lease_facts_parse("[]"));
    assert_null(lease_facts_parse("{"));
    facts = lease_facts_parse("{\"interfaces\":[],\"order\":{}}");
    assert_non_null(facts);
    assert_string_equal(resolver(facts, &none, &none), "");
    json_object_put(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease),          cmocka_unit_test(test_lost_and_regained),
        cmocka_unit_test(test_advertisements), cmocka_unit_test(test_order_and_wishes),
        cmocka_unit_test(test_bad_values),     cmocka_unit_test(test_bad_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
