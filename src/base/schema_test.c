#include "base/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/number.h"
#include "base/test_heap.h"

enum speed { SPEED_SLOW, SPEED_FAST };

struct disk {
    char *label;
    uint64_t size;
    uint64_t idle_ns;
    enum speed speed;
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

static const char *validate_name(const char *text)
{
    size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyz-");

    return text[0] != '\0' && text[good] == '\0' ? NULL : "must be small letters and hyphens";
}

static const char *const speeds[] = { "slow", "fast", NULL };
static const char *const inits[] = { "busybox", "s6", "systemd", NULL };

static const struct schema_key disk_keys[] = {
    { SCHEMA_TEXT("label", struct disk, label, 8), .required = true },
    { SCHEMA_SIZE("size", struct disk, size, MIB, 64 * GIB), .fallback.size = 2 * GIB },
    { SCHEMA_DURATION("idle", struct disk, idle_ns, NS_PER_S, 3600 * NS_PER_S),
      .fallback.duration = 60 * NS_PER_S },
    { SCHEMA_CHOICE("speed", struct disk, speed, speeds), .fallback.choice = SPEED_FAST },
};
static const struct schema disk_schema = SCHEMA("disk", "A disk.", struct disk, disk_keys);

static const struct schema_key kernel_keys[] = {
    { SCHEMA_TEXT("version", struct kernel, version, 16), .required = true },
    { SCHEMA_BOOLEAN("own", struct kernel, own), .fallback.boolean = true },
    { SCHEMA_LIST("modules", struct kernel, modules, 3, 8), .validate = validate_name },
};
static const struct schema kernel_schema = SCHEMA("kernel", NULL, struct kernel, kernel_keys);

static const struct schema_key machine_keys[] = {
    { SCHEMA_TEXT("name", struct machine, name, 12), .required = true, .validate = validate_name,
      .pattern = "^[a-z-]+$", .help = "What the \"machine\" is called." },
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

static const char whole_document[] = "name = 'web'\n"
                                     "init = 'systemd'\n"
                                     "cpus = 64\n"
                                     "memory = '64MiB'\n"
                                     "secure = true\n"
                                     "packages = ['a', 'bc']\n"
                                     "[kernel]\n"
                                     "version = '6.12'\n"
                                     "own = false\n"
                                     "modules = ['loop']\n"
                                     "[[disk]]\n"
                                     "label = 'one'\n"
                                     "[[disk]]\n"
                                     "label = 'two'\n"
                                     "idle = '90s'\n"
                                     "speed = 'slow'\n"
                                     "size = '1GiB'\n";

static int bind(const char *text, struct machine *ret, struct failure *f)
{
    _cleanup_toml_ struct toml *document = NULL;

    assert_int_equal(toml_parse("m.toml", text, strlen(text), &document, f), 0);
    return schema_bind(&machine_schema, document, ret, f);
}

static void test_whole(void **state)
{
    struct failure f = FAILURE_NONE;
    struct machine m;
    const struct disk *disks;

    (void)state;
    assert_int_equal(bind(whole_document, &m, &f), 0);
    assert_string_equal(m.name, "web");
    assert_string_equal(m.init, "systemd");
    assert_int_equal(m.cpus, 64);
    assert_int_equal(m.memory, 64 * MIB);
    assert_true(m.secure);
    assert_int_equal(m.packages.count, 2);
    assert_string_equal(m.packages.items[1], "bc");
    assert_string_equal(m.kernel.version, "6.12");
    assert_false(m.kernel.own);
    assert_int_equal(m.kernel.modules.count, 1);
    assert_string_equal(m.kernel.modules.items[0], "loop");
    assert_int_equal(m.disks.count, 2);
    disks = m.disks.items;
    assert_string_equal(disks[0].label, "one");
    assert_int_equal(disks[0].size, 2 * GIB);
    assert_string_equal(disks[1].label, "two");
    assert_int_equal(disks[1].size, GIB);
    assert_int_equal(disks[0].idle_ns, 60 * NS_PER_S);
    assert_int_equal(disks[1].idle_ns, 90 * NS_PER_S);
    assert_int_equal(disks[0].speed, SPEED_FAST);
    assert_int_equal(disks[1].speed, SPEED_SLOW);
    schema_free(&machine_schema, &m);
    assert_null(m.name);
    assert_int_equal(m.disks.count, 0);
    schema_free(&machine_schema, &m); /* zeroed, so a second time does nothing */
}

static void test_fallbacks(void **state)
{
    struct failure f = FAILURE_NONE;
    struct machine m;

    (void)state;
    assert_int_equal(bind("name = 'a'", &m, &f), 0);
    assert_string_equal(m.init, "s6");
    assert_int_equal(m.cpus, 2);
    assert_int_equal(m.memory, 0);
    assert_false(m.secure);
    assert_int_equal(m.packages.count, 0);
    assert_null(m.kernel.version); /* the whole table is absent, so its required key is too */
    assert_true(m.kernel.own);
    assert_int_equal(m.disks.count, 0);
    schema_free(&machine_schema, &m);
    assert_int_equal(bind("name = 'a'\npackages = []\ndisk = []", &m, &f), 0);
    assert_null(m.packages.items);
    assert_null(m.disks.items);
    schema_free(&machine_schema, &m);
}

struct refusal {
    const char *text, *message;
};

/* Each text is refused with this message, and the structure stays as it was. */
static void check_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct machine m, untouched;
        struct failure f = FAILURE_NONE;

        memset(&m, 0x5a, sizeof(m));
        untouched = m;
        assert_int_equal(bind(cases[i].text, &m, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SCHEMA);
        assert_string_equal(f.text, cases[i].message);
        assert_memory_equal(&m, &untouched, sizeof(m));
    }
}

static void test_refusals(void **state)
{
    static const struct refusal cases[] = {
        { "\nnmae = 'a'", "m.toml:2: unknown key 'nmae', did you mean 'name'?" },
        { "name = 'a'\nzzzzzz = 1", "m.toml:2: unknown key 'zzzzzz'" },
        { "name = 'a'\n\"na\\u001bme\" = 1",
          "m.toml:2: unknown key 'na?me', did you mean 'name'?" },
        { "\"name\\u0000x\" = 'a'", "m.toml:1: unknown key 'name?x', did you mean 'name'?" },
        { "[kernal]\n", "m.toml:1: unknown key 'kernal', did you mean 'kernel'?" },
        { "name = 'a'\n[kernel]\nversion = '1'\nown_ = true",
          "m.toml:4: unknown key 'own_', did you mean 'own'?" },
        { "cpus = 2", "m.toml:1: the key 'name' is missing" },
        { "name = 'a'\n\n[kernel]", "m.toml:3: the key 'version' is missing in table [kernel]" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\n[[disk]]",
          "m.toml:4: the key 'label' is missing in table [disk]" },
        { "name = 1", "m.toml:1: 'name' must be a string, not an integer" },
        { "name = 'abcdefghijklm'", "m.toml:1: 'name' is longer than 12 bytes" },
        { "name = 'A'", "m.toml:1: 'name' is 'A', it must be small letters and hyphens" },
        { "name = \"a\\u0000\"", "m.toml:1: 'name' must not hold U+0000" },
        { "name = 'a'\ninit = 'sistemd'",
          "m.toml:2: 'init' is 'sistemd', did you mean 'systemd'?" },
        { "name = 'a'\ninit = 'upstart'",
          "m.toml:2: 'init' is 'upstart', it must be one of busybox, s6, systemd" },
        { "name = 'a'\ncpus = 2.0", "m.toml:2: 'cpus' must be an integer, not a float" },
        { "name = 'a'\ncpus = 0", "m.toml:2: 'cpus' is 0, it must be from 1 to 64" },
        { "name = 'a'\ncpus = 65", "m.toml:2: 'cpus' is 65, it must be from 1 to 64" },
        { "name = 'a'\nmemory = 64",
          "m.toml:2: 'memory' must be a size such as \"512MiB\", not an integer" },
        { "name = 'a'\nmemory = '64MB'",
          "m.toml:2: 'memory' must be a size such as \"512MiB\", not '64MB'" },
        { "name = 'a'\nmemory = \"64MiB\\u0000\"",
          "m.toml:2: 'memory' must be a size such as \"512MiB\", not ''" },
        { "name = 'a'\nmemory = '1KiB'",
          "m.toml:2: 'memory' is 1KiB, it must be from 64MiB to 1024GiB" },
        { "name = 'a'\nmemory = '1025GiB'",
          "m.toml:2: 'memory' is 1025GiB, it must be from 64MiB to 1024GiB" },
        { "name = 'a'\nsecure = 'yes'", "m.toml:2: 'secure' must be true or false, not a string" },
        { "name = 'a'\npackages = 'b'",
          "m.toml:2: 'packages' must be an array of strings, not a string" },
        { "name = 'a'\npackages = [\n'b',\n2]",
          "m.toml:4: 'packages' must hold strings, not an integer" },
        { "name = 'a'\npackages = ['b', 'ccccccccccc']",
          "m.toml:2: 'packages' is longer than 10 bytes" },
        { "name = 'a'\npackages = ['b', 'b', 'b', 'b', 'b']",
          "m.toml:2: 'packages' has 5 entries, at most 4 are allowed" },
        { "name = 'a'\nkernel = 1", "m.toml:2: 'kernel' must be a table, not an integer" },
        { "name = 'a'\nkernel = { version = '1', modules = ['x', '1'] }",
          "m.toml:2: 'modules' is '1', it must be small letters and hyphens" },
        { "name = 'a'\ndisk = 1", "m.toml:2: 'disk' must be an array of tables, not an integer" },
        { "name = 'a'\ndisk = [1979-05-27]", "m.toml:2: 'disk' must be a table, not a date" },
        { "name = 'a'\ndisk = [{}, {}, {}]",
          "m.toml:2: 'disk' has 3 entries, at most 2 are allowed" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nsize = '0'",
          "m.toml:4: 'size' is 0, it must be from 1MiB to 64GiB" },
    };
    (void)state;
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_refused_measures_and_choices(void **state)
{
    static const struct refusal cases[] = {
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nidle = 60",
          "m.toml:4: 'idle' must be a duration such as \"30s\", not an integer" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nidle = '60'",
          "m.toml:4: 'idle' must be a duration such as \"30s\", not '60'" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nidle = '90min'",
          "m.toml:4: 'idle' is 90min, it must be from 1s to 1h" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nspeed = 1",
          "m.toml:4: 'speed' must be a string, not an integer" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nspeed = 'fats'",
          "m.toml:4: 'speed' is 'fats', did you mean 'fast'?" },
        { "name = 'a'\n[[disk]]\nlabel = 'b'\nspeed = \"fast\\u0000\"",
          "m.toml:4: 'speed' is '', it must be one of slow, fast" },
    };
    (void)state;
    check_refusals(cases, ARRAY_SIZE(cases));
}

/* Fails every allocation in turn: each time a clean refusal and, under the sanitizers, no leak. */
static void test_out_of_memory(void **state)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;
    size_t failures = 0;
    struct machine m;
    int r;

    (void)state;
    assert_int_equal(toml_parse("m.toml", whole_document, strlen(whole_document), &document, &f),
                     0);
    for (;;) {
        test_heap_fail_at(failures + 1);
        r = schema_bind(&machine_schema, document, &m, &f);
        if (!test_heap_has_failed())
            break;
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(f.code, CODE_INTERNAL);
        failures++;
    }
    test_heap_fail_at(0);
    assert_int_equal(r, 0);
    assert_true(failures > 10);
    schema_free(&machine_schema, &m);
}

static void test_out_of_memory_fallback(void **state)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;
    struct machine m;

    (void)state;
    assert_int_equal(toml_parse("m.toml", "name='a'", 8, &document, &f), 0);
    test_heap_fail_at(3); /* the structure, the name, and then the fallback of init */
    assert_int_equal(schema_bind(&machine_schema, document, &m, &f), -ENOMEM);
    test_heap_fail_at(0);
}

static void test_sizes(void **state)
{
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { 1, "1" },
        { 1023, "1023" },
        { KIB, "1KiB" },
        { KIB + 1, "1025" },
        { MIB, "1MiB" },
        { 1536 * KIB, "1536KiB" },
        { 3 * GIB, "3GiB" },
        { UINT64_MAX, "18446744073709551615" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buffer[32];
        struct line l = line_make(buffer, sizeof(buffer));
        uint64_t size = 1;

        schema_add_size(&l, cases[i].size);
        assert_string_equal(buffer, cases[i].text);
        assert_int_equal(number_parse_size(buffer, &size), 0);
        assert_true(size == cases[i].size);
    }
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t duration_ns;
        const char *text;
    } cases[] = {
        { 0, "0ms" },
        { 250 * NS_PER_MS, "250ms" },
        { NS_PER_S, "1s" },
        { 90 * NS_PER_S, "90s" },
        { 120 * NS_PER_S, "2min" },
        { 7200 * NS_PER_S, "2h" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buffer[32];
        struct line l = line_make(buffer, sizeof(buffer));
        uint64_t duration_ns = 1;

        schema_add_duration(&l, cases[i].duration_ns);
        assert_string_equal(buffer, cases[i].text);
        assert_int_equal(number_parse_duration(buffer, &duration_ns), 0);
        assert_true(duration_ns == cases[i].duration_ns);
    }
}

static void test_overlay(void **state)
{
    static const char upper_text[] = "name = 'mail'\npackages = []\n[kernel]\nversion = '7'\n";
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;
    struct machine lower, upper;

    (void)state;
    assert_int_equal(bind(whole_document, &lower, &f), 0);
    assert_int_equal(bind(upper_text, &upper, &f), 0);
    assert_int_equal(toml_parse("u", upper_text, strlen(upper_text), &document, &f), 0);
    schema_overlay(&machine_schema, toml_root(document), &upper, &lower);
    assert_string_equal(lower.name, "mail");
    assert_string_equal(lower.init, "systemd"); /* not in the upper one, whose fallback is "s6" */
    assert_int_equal(lower.packages.count, 0);  /* a list goes whole, even an empty one */
    assert_string_equal(lower.kernel.version, "7");
    assert_false(lower.kernel.own); /* a table goes key by key */
    assert_int_equal(lower.kernel.modules.count, 1);
    assert_int_equal(lower.disks.count, 2);
    assert_null(upper.name); /* it moved */
    schema_free(&machine_schema, &upper);
    schema_free(&machine_schema, &lower);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_refused_measures_and_choices),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_out_of_memory_fallback),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_durations),
        cmocka_unit_test(test_overlay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
