#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/config_layers.h"

static int add(struct config_layers *layers, enum config_layer_kind kind, const char *name,
               const char *text, struct failure *f)
{
    return config_layers_add(layers, kind, name, text, strlen(text), f);
}

static void fill(struct config_layers *layers)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(add(layers, CONFIG_LAYER_IMAGE, "image",
                         "hostname = 'i'\n[metrics]\nenable = false\nport = 9200\n", &f),
                     0);
    assert_int_equal(add(layers, CONFIG_LAYER_MACHINE, "machine", "\n[metrics]\nport = 9300\n", &f),
                     0);
    assert_int_equal(add(layers, CONFIG_LAYER_MACHINE, "last", "timezone = 'A/B'\n", &f), 0);
}

static void test_merge(void **state)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    struct failure f = FAILURE_NONE;
    struct config config;

    (void)state;
    fill(&layers);
    assert_int_equal(config_layers_merge(&layers, CONFIG_LAYER_IMAGE, &config, &f), 0);
    assert_int_equal(config.metrics.port, 9200);
    assert_string_equal(config.timezone, "UTC");
    config_done(&config);
    assert_int_equal(config_layers_merge(&layers, CONFIG_LAYER_MACHINE, &config, &f), 0);
    assert_int_equal(config.metrics.port, 9300);
    assert_false(config.metrics.enable);
    assert_string_equal(config.hostname, "i");
    assert_string_equal(config.timezone, "A/B");
    config_done(&config);
}

static void test_origin(void **state)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    const struct toml_value *value;
    const char *path = NULL;

    (void)state;
    fill(&layers);
    value = config_layers_origin(&layers, "metrics.port", &path);
    assert_non_null(value);
    assert_string_equal(path, "machine");
    assert_int_equal(toml_line(value), 3);
    value = config_layers_origin(&layers, "metrics.enable", &path);
    assert_non_null(value);
    assert_string_equal(path, "image");
    assert_int_equal(toml_line(value), 3);
    assert_null(config_layers_origin(&layers, "admin.ssh_keys", &path));
    assert_null(config_layers_origin(&layers, "hostname.x", &path));
    assert_null(config_layers_origin(&layers, "", &path));
}

static void test_a_refused_layer_adds_nothing(void **state)
{
    _cleanup_(config_layers_done) struct config_layers layers = { .count = 0 };
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(add(&layers, CONFIG_LAYER_MACHINE, "x", "a b", &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SYNTAX);
    assert_int_equal(add(&layers, CONFIG_LAYER_MACHINE, "x", "[metrics]\nprot = 1\n", &f),
                     -EBADMSG);
    assert_int_equal(f.code, CODE_SCHEMA);
    assert_string_equal(f.text, "x:2: unknown key 'prot', did you mean 'port'?");
    assert_int_equal(layers.count, 0);
}

static void test_no_files(void **state)
{
    struct config_layers layers;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(config_layers_read("/nowhere", NULL, NULL, &layers, &f), 0);
    assert_int_equal(layers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_a_refused_layer_adds_nothing),
        cmocka_unit_test(test_no_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
