#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "node/config_text.h"

static const char image_text[] = "hostname = 'image'\n"
                                 "[time]\n"
                                 "servers = ['0.pool.example', '1.pool.example']\n";
static const char machine_text[] = "hostname = 'm1'\n"
                                   "timezone = 'Europe/Zurich'\n"
                                   "[network]\n"
                                   "dhcp = false\n"
                                   "[[network.interface]]\n"
                                   "name = 'eth0'\n"
                                   "addresses = ['192.0.2.7/24', '2001:db8::7/64']\n"
                                   "gateway = '192.0.2.1'\n"
                                   "[[network.interface]]\n"
                                   "name = 'eth1'\n"
                                   "dhcp = true\n"
                                   "[admin]\n"
                                   "ssh_keys = ['ssh-ed25519 AAAA a \"quoted\\ name\" \xc3\xa9']\n";

struct place {
    struct config_layers layers;
    struct config image, machine;
};

static int start(void **state)
{
    static struct place place;
    struct failure f = FAILURE_NONE;

    place = (struct place){ .layers = { .count = 0 } };
    *state = &place;
    if (config_layers_add(&place.layers, CONFIG_LAYER_IMAGE, "/i.toml", image_text,
                          strlen(image_text), &f) < 0 ||
        config_layers_add(&place.layers, CONFIG_LAYER_MACHINE, "/m.toml", machine_text,
                          strlen(machine_text), &f) < 0 ||
        config_layers_merge(&place.layers, CONFIG_LAYER_IMAGE, &place.image, &f) < 0)
        return -1;
    return config_layers_merge(&place.layers, CONFIG_LAYER_MACHINE, &place.machine, &f);
}

static int end(void **state)
{
    struct place *place = *state;

    config_done(&place->image);
    config_done(&place->machine);
    config_layers_done(&place->layers);
    return 0;
}

static void test_golden(void **state)
{
    static const char expected[] =
        "hostname = \"m1\"  # /m.toml:1\n"
        "timezone = \"Europe/Zurich\"  # /m.toml:2\n"
        "\n"
        "[admin]\n"
        "ssh_keys = [\"ssh-ed25519 AAAA a \\\"quoted\\\\ name\\\" \xc3\xa9\"]  # /m.toml:13\n"
        "\n"
        "[network]\n"
        "dhcp = false  # /m.toml:4\n"
        "ipv6 = true  # default\n"
        "dns = []  # default\n"
        "search = []  # default\n"
        "interface = [{ name = \"eth0\", dhcp = false, addresses = [\"192.0.2.7/24\", "
        "\"2001:db8::7/64\"], gateway = \"192.0.2.1\" }, { name = \"eth1\", dhcp = true, "
        "addresses = [] }]  # /m.toml:5\n"
        "\n"
        "[time]\n"
        "servers = [\"0.pool.example\", \"1.pool.example\"]  # /i.toml:3\n"
        "rtc_utc = true  # default\n"
        "\n"
        "[firewall]\n"
        "allow = []  # default\n"
        "\n"
        "[metrics]\n"
        "enable = true  # default\n"
        "port = 9100  # default\n"
        "\n"
        "[services]\n"
        "disable = []  # default\n";
    struct place *place = *state;
    _cleanup_text_ struct text t = TEXT_INIT;

    config_text_add(&place->machine, NULL, &place->layers, &t);
    assert_int_equal(text_status(&t), 0);
    assert_string_equal(text_string(&t), expected);
}

static void test_one_key(void **state)
{
    static const struct {
        const char *key;
        const char *expected;
    } cases[] = {
        { "hostname", "hostname = \"m1\"\n" },
        { "metrics", "[metrics]\nenable = true\nport = 9100\n" },
        { "metrics.port", "[metrics]\nport = 9100\n" },
        { "metric", "" },
    };
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        config_text_add(&place->machine, cases[i].key, NULL, &t);
        assert_string_equal(text_string(&t), cases[i].expected);
    }
}

/* What is shown is read back to the same configuration. */
static void test_round_trip(void **state)
{
    struct place *place = *state;
    _cleanup_text_ struct text first = TEXT_INIT, second = TEXT_INIT;
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    struct failure f = FAILURE_NONE;
    struct config config;

    config_text_add(&place->machine, NULL, NULL, &first);
    assert_int_equal(
        config_layers_add(&layers, CONFIG_LAYER_MACHINE, "again", first.data, first.length, &f), 0);
    assert_int_equal(config_layers_merge(&layers, CONFIG_LAYER_MACHINE, &config, &f), 0);
    config_text_add(&config, NULL, NULL, &second);
    assert_string_equal(text_string(&first), text_string(&second));
    config_done(&config);
}

static void test_difference(void **state)
{
    static const char beginning[] = "- hostname = \"image\"\n"
                                    "+ hostname = \"m1\"  # /m.toml:1\n"
                                    "- timezone = \"UTC\"\n"
                                    "+ timezone = \"Europe/Zurich\"  # /m.toml:2\n"
                                    "- admin.ssh_keys = []\n"
                                    "+ admin.ssh_keys = [";
    struct place *place = *state;
    _cleanup_text_ struct text t = TEXT_INIT, none = TEXT_INIT;

    config_text_add_difference(&place->image, &place->machine, &place->layers, &t);
    assert_int_equal(strncmp(text_string(&t), beginning, strlen(beginning)), 0);
    assert_null(strstr(text_string(&t), "time.servers"));
    config_text_add_difference(&place->image, &place->image, &place->layers, &none);
    assert_string_equal(text_string(&none), "");
}

static void test_difference_json(void **state)
{
    static const char beginning[] =
        "{ \"differences\": [\n"
        "  { \"key\": \"hostname\", \"image\": \"image\", \"machine\": \"m1\", "
        "\"file\": \"/m.toml\", \"line\": 1 },\n";
    struct place *place = *state;
    _cleanup_text_ struct text t = TEXT_INIT, none = TEXT_INIT;

    config_text_add_difference_json(&place->image, &place->machine, &place->layers, &t);
    assert_int_equal(strncmp(text_string(&t), beginning, strlen(beginning)), 0);
    assert_non_null(strstr(text_string(&t), "\"gateway\": \"192.0.2.1\" }, { \"name\": "));
    assert_string_equal(t.data + t.length - 4, "] }\n");
    config_text_add_difference_json(&place->image, &place->image, &place->layers, &none);
    assert_string_equal(text_string(&none), "{ \"differences\": [] }\n");
}

static void test_differ(void **state)
{
    struct place *place = *state;
    bool answer = false;

    assert_int_equal(config_text_differ(&place->image, &place->machine, "network", &answer), 0);
    assert_true(answer);
    assert_int_equal(config_text_differ(&place->image, &place->machine, "time", &answer), 0);
    assert_false(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, start, end),
        cmocka_unit_test_setup_teardown(test_one_key, start, end),
        cmocka_unit_test_setup_teardown(test_round_trip, start, end),
        cmocka_unit_test_setup_teardown(test_difference, start, end),
        cmocka_unit_test_setup_teardown(test_difference_json, start, end),
        cmocka_unit_test_setup_teardown(test_differ, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
