#include "image/services.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/test_folder.h"
#include "sys/file.h"

#define OVERLAY "p/overlay/usr/lib/broch/services/"

static char folder[] = "p";

/* What a service's manifest says beside its name. */
struct sketch {
    const char *name, *text;
};

static void write_manifests(const struct sketch *sketches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[128], text[512];

        (void)snprintf(path, sizeof(path), OVERLAY "%s.toml", sketches[i].name);
        (void)snprintf(text, sizeof(text),
                       "name = '%s'\ndescription = 'x'\nrun = ['/usr/bin/x']\n%s", sketches[i].name,
                       sketches[i].text);
        test_folder_write(path, text);
    }
}

/* Reads with the services enabled whose names stand in `words`. */
static int read_services(const char *words, struct services *ret, struct failure *f)
{
    static char copy[256];
    char *items[16], *rest = copy;
    struct profile profile = { .folder = folder, .services.enable.items = items };

    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *word; (word = strsep(&rest, " "));)
        if (word[0] != '\0')
            items[profile.services.enable.count++] = word;
    return services_read(&profile, ret, f);
}

static int clean(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return file_remove_tree("p", &f);
}

static void test_order(void **state)
{
    static const struct sketch sketches[] = {
        { "ssh", "needs = ['network']" },
        { "network", "" },
        { "firewall", "before = ['network', 'toy']" },
        { "ready", "needs = ['*']" },
        { "toy", "" },
    };
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct services services;

    (void)state;
    write_manifests(sketches, ARRAY_SIZE(sketches));
    assert_int_equal(read_services("ready ssh network firewall", &services, &f), 0);
    services_format_list(&services, &text);
    assert_string_equal(text_string(&text), "firewall\nnetwork\nssh\nready\n");
    services_done(&services);
}

static void test_none(void **state)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct services services;

    (void)state;
    assert_int_equal(read_services("", &services, &f), 0); /* no folder at all */
    services_format_list(&services, &text);
    assert_string_equal(text_string(&text), "");
    assert_int_equal(services_judge_image(&services, &f), 0);
    services_done(&services);
}

static void test_refused(void **state)
{
    static const struct {
        struct sketch sketches[3];
        const char *enable;
        enum code code;
        const char *message;
    } cases[] = {
        { { { "time", "" } },
          "tine",
          CODE_SERVICE_UNKNOWN,
          "p/profile.toml: 'services.enable' names 'tine', which has no manifest, did you mean "
          "'time'?" },
        { { { "time", "" } },
          "time time",
          CODE_SCHEMA,
          "p/profile.toml: 'services.enable' names 'time' twice" },
        { { { "time", "rum = 1" } },
          "time",
          CODE_SCHEMA,
          OVERLAY "time.toml:4: unknown key 'rum', did you mean 'run'?" },
        /* Not enabled, and in the image all the same. */
        { { { "time", "rum = 1" } },
          "",
          CODE_SCHEMA,
          OVERLAY "time.toml:4: unknown key 'rum', did you mean 'run'?" },
        { { { "time", "tier = 'org-vm'" } },
          "time",
          CODE_SERVICE_TIER,
          OVERLAY "time.toml:4: 'tier' is 'org-vm', which does not run yet: only 'node' does" },
        { { { "ssh", "needs = ['netwrk']" }, { "network", "" } },
          "ssh network",
          CODE_SERVICE_NEEDS,
          OVERLAY "ssh.toml:4: 'needs' names 'netwrk', which is not among the services, did you "
                  "mean 'network'?" },
        { { { "ssh", "needs = ['network']" }, { "network", "" } },
          "ssh",
          CODE_SERVICE_NEEDS,
          OVERLAY "ssh.toml:4: 'needs' names 'network', which is not among the services" },
        { { { "ssh", "before = ['redy']" }, { "ready", "" } },
          "ssh",
          CODE_SERVICE_UNKNOWN,
          OVERLAY "ssh.toml:4: 'before' names 'redy', which has no manifest, did you mean "
                  "'ready'?" },
        { { { "a", "needs = ['b']" }, { "b", "needs = ['c']" }, { "c", "needs = ['a']" } },
          "a b c",
          CODE_SERVICE_CYCLE,
          "services need each other in a circle: a -> b -> c -> a" },
        { { { "Time", "" } },
          "",
          CODE_SCHEMA,
          "'p/overlay/usr/lib/broch/services/Time.toml' is no manifest: its name must be that of a "
          "service, and end with '.toml'" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static struct services services;
        struct failure f = FAILURE_NONE;
        size_t count = 0;

        while (count < ARRAY_SIZE(cases[i].sketches) && cases[i].sketches[count].name)
            count++;
        write_manifests(cases[i].sketches, count);
        if (read_services(cases[i].enable, &services, &f) >= 0)
            fail_msg("case %zu is accepted", i);
        assert_string_equal(f.text, cases[i].message);
        assert_int_equal(f.code, cases[i].code);
        assert_int_equal(clean(state), 0);
    }
}

static const struct sketch pair[] = {
    { "time", "user = '_chrony'\nchecks = ['/usr/lib/check']" },
    { "syslog", "" },
};

static int add_users(struct services *services, const char *path, const char *content,
                     struct text *ret, struct failure *f)
{
    const struct compose_file file = { path, (const uint8_t *)content, strlen(content) };

    return services_add_users(services, &file, ret, f);
}

static void test_users(void **state)
{
    static struct services services;
    _cleanup_text_ struct text passwd = TEXT_INIT, shadow = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    write_manifests(pair, ARRAY_SIZE(pair));
    assert_int_equal(read_services("time syslog", &services, &f), 0);
    assert_int_equal(add_users(&services, "etc/passwd", "_chrony:x:100:101::/:/x\n", &passwd, &f),
                     0);
    assert_string_equal(text_string(&passwd), "_chrony:x:100:101::/:/x\n"
                                              "broch-log:x:69999:69999::/:/usr/sbin/nologin\n"
                                              "broch-syslog:x:84259:84259::/:/usr/sbin/nologin\n");
    assert_int_equal(add_users(&services, "etc/shadow", "", &shadow, &f), 0);
    assert_string_equal(text_string(&shadow), "broch-log:!*:::::::\nbroch-syslog:!*:::::::\n");
    text_clear(&passwd);
    assert_int_equal(add_users(&services, "etc/passwd", "root:x:0:0::/:/x\n", &passwd, &f),
                     -ENOENT);
    assert_int_equal(f.code, CODE_SERVICE_USER);
    assert_string_equal(f.text,
                        OVERLAY "time.toml:4: 'user' is '_chrony', whom the image does not have");
    services_done(&services);
}

/* Two names with one number, found by search: one in 30,000 pairs. */
static void test_numbers_that_meet(void **state)
{
    static const struct sketch meet[] = { { "ahx", "" }, { "aky", "" } };
    static struct services services;
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(service_manifest_uid(meet[0].name), service_manifest_uid(meet[1].name));
    write_manifests(meet, ARRAY_SIZE(meet));
    assert_int_equal(read_services("ahx aky", &services, &f), 0);
    assert_int_equal(add_users(&services, "etc/passwd", "", &text, &f), -EEXIST);
    assert_string_equal(f.text, "'broch-ahx' and 'broch-aky' would have one number; rename one "
                                "of the services, or give it a user");
    services_done(&services);
}

static int pass_users(const struct compose_file *file, void *context, struct text *ret,
                      struct failure *f)
{
    return services_add_users(context, file, ret, f);
}

/* Puts an image together from layers alone and judges it. */
static int judge(const char *enable, const char *const *programs, bool with_users,
                 struct failure *f)
{
    static const char no_entries[10240]; /* a tar ends with zeros */
    static struct services services;
    struct compose *compose = compose_make(0);
    int r = read_services(enable, &services, f);

    test_folder_write("layer/usr/bin/data", "not executable");
    for (size_t i = 0; programs[i]; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "layer/usr/%s", programs[i]);
        test_folder_write(path, "x");
        assert_int_equal(chmod(path, 0755), 0);
    }
    if (with_users)
        test_folder_write("layer/etc/passwd", "_chrony:x:100:101::/:/x\n");
    if (r == 0)
        r = compose_add_folder(compose, "layer", "", f);
    if (r == 0)
        r = services_watch(&services, compose, f);
    compose_set_rewrite(compose, pass_users, &services);
    assert_int_equal(file_write("empty.tar", no_entries, sizeof(no_entries), 0644, f), 0);
    if (r == 0)
        r = compose_write(compose, "empty.tar", "out.tar", f);
    if (r == 0)
        r = services_judge_image(&services, f);
    compose_free(compose);
    services_done(&services);
    assert_int_equal(file_remove_tree("layer", f), 0);
    return r;
}

static void test_image(void **state)
{
    static const char *const all[] = { "bin/x", "lib/check", NULL };
    static const char *const no_check[] = { "bin/x", NULL };
    static const char *const none[] = { NULL };
    struct failure f = FAILURE_NONE;

    (void)state;
    write_manifests(pair, ARRAY_SIZE(pair));
    assert_int_equal(judge("time syslog", all, true, &f), 0);
    assert_int_equal(judge("time syslog", no_check, true, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SERVICE_PROGRAM);
    assert_string_equal(f.text, OVERLAY "time.toml:5: 'checks' names '/usr/lib/check', which is no "
                                        "program of the image");
    assert_int_equal(judge("syslog", none, true, &f), -ENOENT);
    assert_string_equal(
        f.text,
        OVERLAY "syslog.toml:3: 'run' names '/usr/bin/x', which is no program of the image");
    assert_int_equal(judge("syslog", all, false, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SERVICE_USER);
}

static void test_not_executable(void **state)
{
    static const struct sketch sketch = { "d", "checks = ['/usr/bin/data']" };
    static const char *const programs[] = { "bin/x", NULL };
    struct failure f = FAILURE_NONE;

    (void)state;
    write_manifests(&sketch, 1);
    assert_int_equal(judge("d", programs, true, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SERVICE_PROGRAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_order, clean),
        cmocka_unit_test_teardown(test_none, clean),
        cmocka_unit_test_teardown(test_refused, clean),
        cmocka_unit_test_teardown(test_users, clean),
        cmocka_unit_test_teardown(test_numbers_that_meet, clean),
        cmocka_unit_test_teardown(test_image, clean),
        cmocka_unit_test_teardown(test_not_executable, clean),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
