#include "base/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/test_json.h"

enum speed { SPEED_SLOW, SPEED_FAST };

struct disk {
    char *label;
    uint64_t size;
};

struct fan {
    uint64_t idle_ns;
    enum speed speed;
    enum speed otherwise;
};

struct kernel {
    char *version;
    bool own;
    struct schema_list modules;
};

struct machine {
    char *name;
    char *init;
    int64_t cpus;
    uint64_t memory;
    bool secure;
    struct schema_list packages;
    struct kernel kernel;
    struct schema_array disks;
};

static const char *const inits[] = { "busybox", "s6", "systemd", NULL };

static const struct schema_key disk_keys[] = {
    { SCHEMA_TEXT("label", struct disk, label, 8), .required = true },
    { SCHEMA_SIZE("size", struct disk, size, MIB, 64 * GIB), .fallback.size = 2 * GIB },
};
static const struct schema disk_schema = SCHEMA("disk", "A disk.", struct disk, disk_keys);

static const struct schema_key kernel_keys[] = {
    { SCHEMA_TEXT("version", struct kernel, version, 16), .required = true },
    { SCHEMA_BOOLEAN("own", struct kernel, own), .fallback.boolean = true },
    { SCHEMA_LIST("modules", struct kernel, modules, 3, 8) },
};
static const struct schema kernel_schema = SCHEMA("kernel", NULL, struct kernel, kernel_keys);

static const struct schema_key machine_keys[] = {
    { SCHEMA_TEXT("name", struct machine, name, 12), .required = true, .pattern = "^[a-z-]+$",
      .help = "What the \"machine\" is called." },
    { SCHEMA_TEXT("init", struct machine, init, 16), .choices = inits, .fallback.text = "s6" },
    { SCHEMA_INTEGER("cpus", struct machine, cpus, 1, 64), .fallback.integer = 2 },
    { SCHEMA_SIZE("memory", struct machine, memory, 64 * MIB, 1024 * GIB) },
    { SCHEMA_BOOLEAN("secure", struct machine, secure) },
    { SCHEMA_LIST("packages", struct machine, packages, 4, 10) },
    { SCHEMA_TABLE("kernel", struct machine, kernel, &kernel_schema) },
    { SCHEMA_ARRAY("disk", struct machine, disks, 2, &disk_schema) },
};
static const struct schema machine_schema =
    SCHEMA("machine", "A machine.", struct machine, machine_keys);

static const char *const speeds[] = { "slow", "fast", NULL };

static const struct schema_key fan_keys[] = {
    { SCHEMA_DURATION("idle", struct fan, idle_ns, NS_PER_S, 3600 * NS_PER_S),
      .fallback.duration = 60 * NS_PER_S },
    { SCHEMA_CHOICE("speed", struct fan, speed, speeds), .fallback.choice = SPEED_FAST },
    { SCHEMA_CHOICE("otherwise", struct fan, otherwise, speeds), .fallback.choice = 2 },
};
static const struct schema fan_schema = SCHEMA("fan", NULL, struct fan, fan_keys);

static char *print_schema(const struct schema *schema, const char *id)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    schema_print_json(schema, id, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void test_print(void **state)
{
    static const char *const parts[] = {
        "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"",
        "\"$id\": \"urn:machine\"",
        "\"title\": \"machine\"",
        "\"additionalProperties\": false",
        "\"description\": \"What the \\\"machine\\\" is called.\"",
        "\"pattern\": \"^[a-z-]+$\"",
        "\"default\": \"s6\"",
        "\"maximum\": 64,\n      \"default\": 2",
        "\"$comment\": \"from 64MiB to 1024GiB\"",
        "\"default\": \"2GiB\"",
        "\"maxItems\": 4",
        "\"default\": true",
        "\"required\": [\n    \"name\"\n  ]",
    };
    _cleanup_free_ char *text = print_schema(&machine_schema, "urn:machine");

    (void)state;
    assert_true(test_json_is_valid(text));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        assert_non_null(strstr(text, parts[i]));
}

static void test_print_choices_and_durations(void **state)
{
    _cleanup_free_ char *text = print_schema(&fan_schema, NULL);

    (void)state;
    assert_true(test_json_is_valid(text));
    assert_non_null(strstr(text, "\"pattern\": \"^(0|[1-9][0-9]*)(ms|s|min|h)$\",\n"
                                 "      \"$comment\": \"from 1s to 1h\",\n"
                                 "      \"default\": \"1min\"\n"));
    assert_non_null(strstr(text, "\"speed\": {\n"
                                 "      \"type\": \"string\",\n"
                                 "      \"enum\": [\n"
                                 "        \"slow\",\n"
                                 "        \"fast\"\n"
                                 "      ],\n"
                                 "      \"default\": \"fast\"\n"));
    assert_non_null(strstr(text, "\"otherwise\": {\n"
                                 "      \"type\": \"string\",\n"
                                 "      \"enum\": [\n"
                                 "        \"slow\",\n"
                                 "        \"fast\"\n"
                                 "      ]\n"));
}

static void test_print_small(void **state)
{
    _cleanup_free_ char *text = print_schema(&disk_schema, NULL);

    (void)state;
    assert_string_equal(text, "{\n"
                              "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                              "  \"title\": \"disk\",\n"
                              "  \"description\": \"A disk.\",\n"
                              "  \"type\": \"object\",\n"
                              "  \"additionalProperties\": false,\n"
                              "  \"required\": [\n"
                              "    \"label\"\n"
                              "  ],\n"
                              "  \"properties\": {\n"
                              "    \"label\": {\n"
                              "      \"type\": \"string\",\n"
                              "      \"maxLength\": 8\n"
                              "    },\n"
                              "    \"size\": {\n"
                              "      \"type\": \"string\",\n"
                              "      \"pattern\": \"^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$\",\n"
                              "      \"$comment\": \"from 1MiB to 64GiB\",\n"
                              "      \"default\": \"2GiB\"\n"
                              "    }\n"
                              "  }\n"
                              "}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_print_choices_and_durations),
        cmocka_unit_test(test_print_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
