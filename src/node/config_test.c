#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "node/config.h"
#include "sys/file.h"

static char root[] = "/tmp/config-XXXXXX";

static void write_below(const char *path, const char *text)
{
    _cleanup_free_ char *place = text_make("%s%s", root, path);
    struct failure f = FAILURE_NONE;

    assert_non_null(place);
    assert_int_equal(file_make_parent(place, &f), 0);
    assert_int_equal(file_write(place, text, strlen(text), 0644, &f), 0);
}

static int start(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    if (file_remove_tree(root, &f) < 0 || mkdir(root, 0700) < 0)
        return -1;
    return 0;
}

/* What was complained about, one line each. */
static void complain(const struct failure *f, void *context)
{
    text_addf(context, "%s\n", f->text);
}

static void test_fallbacks(void **state)
{
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), 0);
    assert_null(config.hostname);
    assert_string_equal(config.timezone, "UTC");
    assert_true(config.network.dhcp && config.network.ipv6 && config.time.rtc_utc);
    assert_true(config.metrics.enable);
    assert_int_equal(config.metrics.port, 9100);
    assert_int_equal(config.admin.ssh_keys.count, 0);
    config_done(&config);
    config_done(&config); /* a zeroed one is fine */
}

static void test_layers(void **state)
{
    struct failure f = FAILURE_NONE;
    struct config config;
    const struct config_interface *interfaces;

    (void)state;
    write_below(CONFIG_IMAGE_PATH, "hostname = 'image'\n[time]\nservers = ['a', 'b']\n"
                                   "[network]\ndns = ['192.0.2.1']\n"
                                   "[[network.interface]]\nname = 'eth0'\n");
    write_below(CONFIG_MACHINE_PATH, "hostname = 'machine'\n[network]\nipv6 = false\n"
                                     "[[network.interface]]\nname = 'eth1'\n");
    write_below(CONFIG_FOLDER_PATH "/20-b.toml", "[time]\nservers = ['c']\n");
    write_below(CONFIG_FOLDER_PATH "/10-a.toml", "hostname = 'a'\n[time]\nservers = []\n");
    write_below(CONFIG_FOLDER_PATH "/30.toml~", "no toml at all");
    write_below(CONFIG_FOLDER_PATH "/.40.toml", "nor this");
    assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), 0);
    assert_string_equal(config.hostname, "a");
    assert_int_equal(config.time.servers.count, 1);
    assert_string_equal(config.time.servers.items[0], "c");
    assert_false(config.network.ipv6);
    assert_int_equal(config.network.dns.count, 1);
    interfaces = config.network.interface.items;
    assert_int_equal(config.network.interface.count, 1);
    assert_string_equal(interfaces[0].name, "eth1");
    config_done(&config);
}

static void test_a_bad_layer_is_left_out(void **state)
{
    _cleanup_text_ struct text heard = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    write_below(CONFIG_IMAGE_PATH, "hostname = 'image'\n");
    write_below(CONFIG_MACHINE_PATH, "timezone = 'Europe/Zurich'\nhostnme = 'x'\n");
    write_below(CONFIG_FOLDER_PATH "/10.toml", "[metrics]\nport = 9200\n");
    write_below(CONFIG_FOLDER_PATH "/20.toml", "[metrics\n");
    assert_int_equal(config_load_below(root, complain, &heard, &config, &f), 0);
    assert_string_equal(config.hostname, "image");
    assert_string_equal(config.timezone, "UTC"); /* whole layers only */
    assert_int_equal(config.metrics.port, 9200);
    assert_non_null(strstr(text_string(&heard), "/etc/broch/config.toml:2: unknown key 'hostnme', "
                                                "did you mean 'hostname'?\n"));
    assert_non_null(strstr(text_string(&heard), "/etc/broch/config.d/20.toml:1: "));
    config_done(&config);

    assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SCHEMA);
    assert_non_null(strstr(f.text, "config.toml:2:"));
}

static void test_too_many_files(void **state)
{
    _cleanup_text_ struct text heard = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct config config;
    char name[64];

    (void)state;
    for (int i = 0; i < 70; i++) {
        (void)snprintf(name, sizeof(name), CONFIG_FOLDER_PATH "/%02d.toml", i);
        write_below(name, "");
    }
    write_below(CONFIG_FOLDER_PATH "/00.toml", "hostname = 'kept'\n");
    assert_int_equal(config_load_below(root, complain, &heard, &config, &f), 0);
    assert_string_equal(config.hostname, "kept");
    assert_non_null(strstr(text_string(&heard), "one file too many"));
    config_done(&config);
}

static void test_pipe_and_loop(void **state)
{
    _cleanup_free_ char *folder = text_make("%s" CONFIG_FOLDER_PATH, root);
    _cleanup_free_ char *pipe_path = text_make("%s" CONFIG_FOLDER_PATH "/pipe.toml", root);
    _cleanup_free_ char *link_path = text_make("%s" CONFIG_FOLDER_PATH "/loop.toml", root);
    _cleanup_text_ struct text heard = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    assert_int_equal(file_make_folders(folder, &f), 0);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(symlink("loop.toml", link_path), 0);
    assert_int_equal(config_load_below(root, complain, &heard, &config, &f), 0);
    assert_non_null(strstr(text_string(&heard), "pipe.toml"));
    assert_non_null(strstr(text_string(&heard), "loop.toml"));
    config_done(&config);
}

static void test_folder_is_a_file(void **state)
{
    _cleanup_text_ struct text heard = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    write_below(CONFIG_FOLDER_PATH, "");
    assert_int_equal(config_load_below(root, complain, &heard, &config, &f), 0);
    assert_non_null(strstr(text_string(&heard), "config.d"));
    config_done(&config);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *word;
    } cases[] = {
        { "hostname = 'a.b'\n", "'hostname' is 'a.b', it must be letters" },
        { "timezone = '../etc'\n", "timezone" },
        { "[admin]\nssh_keys = ['-----BEGIN OPENSSH PRIVATE KEY-----']\n", "ssh_keys" },
        { "[network]\ndns = ['x']\n", "must be an IPv4 or IPv6 address" },
        { "[[network.interface]]\ndhcp = true\n", "'name' is missing in table" },
        { "[[network.interface]]\nname = 'e'\naddresses = ['192.0.2.1']\n", "prefix" },
        { "[firewall]\nallow = ['tcp/0']\n", "allow" },
        { "[metrics]\nport = 80\n", "from 1024 to 65535" },
        { "[services]\ndisable = ['../x']\n", "disable" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct config config;

        write_below(CONFIG_MACHINE_PATH, cases[i].text);
        assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SCHEMA);
        assert_non_null(strstr(f.text, "/etc/broch/config.toml:"));
        assert_non_null(strstr(f.text, cases[i].word));
    }
}

static void test_nearest_keys(void **state)
{
    (void)state;
    assert_string_equal(config_nearest_key("hostnme"), "hostname");
    assert_string_equal(config_nearest_key("network.dchp"), "network.dhcp");
    assert_string_equal(config_nearest_key("metrics.prt"), "metrics.port");
    assert_null(config_nearest_key("xyzzy"));
}

static void test_conditions(void **state)
{
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), 0);
    assert_true(config_has_key("admin.ssh_keys") && config_has_key("network.interface"));
    assert_true(config_has_key("hostname") && config_has_key("network"));
    assert_false(config_has_key("admin.ssh_key") || config_has_key("admin."));
    assert_false(config_has_key("") || config_has_key("hostname.x") || config_has_key("."));
    assert_false(config_has_key("network.interface.name"));
    assert_false(config_condition(&config, "admin.ssh_keys"));
    assert_false(config_condition(&config, "hostname"));
    assert_false(config_condition(&config, "network.interface"));
    assert_false(config_condition(&config, "network"));
    assert_false(config_condition(&config, "no.such"));
    assert_true(config_condition(&config, "timezone"));
    assert_true(config_condition(&config, "metrics.enable"));
    assert_true(config_condition(&config, "metrics.port"));
    config_done(&config);

    write_below(CONFIG_MACHINE_PATH, "hostname = 'a'\n[admin]\nssh_keys = ['ssh-ed25519 AAAA x']\n"
                                     "[metrics]\nenable = false\n"
                                     "[[network.interface]]\nname = 'eth0'\n");
    assert_int_equal(config_load_below(root, NULL, NULL, &config, &f), 0);
    assert_true(config_condition(&config, "admin.ssh_keys"));
    assert_true(config_condition(&config, "hostname"));
    assert_true(config_condition(&config, "network.interface"));
    assert_false(config_condition(&config, "metrics.enable"));
    config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fallbacks, start),
        cmocka_unit_test_setup(test_layers, start),
        cmocka_unit_test_setup(test_a_bad_layer_is_left_out, start),
        cmocka_unit_test_setup(test_too_many_files, start),
        cmocka_unit_test_setup(test_pipe_and_loop, start),
        cmocka_unit_test_setup(test_folder_is_a_file, start),
        cmocka_unit_test_setup(test_refused, start),
        cmocka_unit_test(test_nearest_keys),
        cmocka_unit_test_setup(test_conditions, start),
    };
    struct failure f = FAILURE_NONE;
    int failed;

    if (!mkdtemp(root))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return file_remove_tree(root, &f) < 0 ? 1 : failed;
}
