#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <cmocka.h>

#include "work/confine_plan.h"

static struct confine_plan plan;

static void make(const char *toml, const char *scratch)
{
    static struct service_manifest m;
    static struct confine c; /* the plan borrows from both */
    struct failure f = FAILURE_NONE;

    c = (struct confine){ .manifest = &m };
    service_manifest_done(&m);
    if (service_manifest_parse("t.toml", "one", toml, strlen(toml), &m, &f) < 0)
        fail_msg("%s", f.text);
    (void)snprintf(c.scratch, sizeof(c.scratch), "%s", scratch);
    assert_int_equal(confine_plan_make(&c, &plan, &f), 0);
}

static size_t index_of(const char *path)
{
    size_t i = plan.count;

    while (i > 0 && strcmp(plan.places[i - 1].path, path) != 0)
        i--;
    return i; /* 0: it is not there */
}

static const struct confine_place *find(const char *path)
{
    size_t i = index_of(path);

    assert_true(i > 0);
    return &plan.places[i - 1];
}

static const char head[] = "name = \"one\"\ndescription = \"d\"\ntier = \"node\"\n"
                           "run = [\"/usr/bin/true\"]\n[ready]\nkind = \"start\"\n";

/* Whatever comes from the machine can be written to only when the manifest says so. */
static void test_read_only(void **state)
{
    (void)state;
    make(head, "");
    for (size_t i = 0; i < plan.count; i++) {
        const struct confine_place *place = &plan.places[i];
        bool device = (place->attributes & MOUNT_ATTR_NODEV) == 0;

        if (place->kind != CONFINE_BIND && place->kind != CONFINE_SEAL)
            continue;
        assert_true(device || (place->attributes & MOUNT_ATTR_RDONLY) != 0);
        assert_true((place->attributes & MOUNT_ATTR_NOSUID) != 0);
        assert_true(!device || strncmp(place->path, "/dev/", 5) == 0);
    }
}

static void test_absent(void **state)
{
    static const char *const absent[] = { "/var",
                                          "/run",
                                          "/boot",
                                          "/dev/kmsg",
                                          "/dev/mem",
                                          "/dev/vda",
                                          "/dev/tty",
                                          "/run/service",
                                          "/var/lib/one",
                                          "/run/one",
                                          "/sys/kernel/security" };

    (void)state;
    make(head, "");
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        assert_int_equal(index_of(absent[i]), 0);
    assert_int_equal(find("/home")->kind, CONFINE_FOLDER);
    assert_int_equal(find("/tmp")->kind, CONFINE_MEMORY);
    assert_true((find("/tmp")->attributes & MOUNT_ATTR_NOEXEC) != 0);
    assert_false(find("/run/broch")->whole); /* the secrets are mounted below it */
    assert_int_equal(find("/etc/broch/secrets")->kind, CONFINE_MEMORY);
}

static void test_asked(void **state)
{
    static const char toml[] = "name = \"one\"\ndescription = \"d\"\ntier = \"node\"\n"
                               "run = [\"/var/lib/tools/one\"]\n[ready]\nkind = \"start\"\n"
                               "[scratch]\nclass = \"ephemeral\"\n"
                               "[confine]\nwrite = [\"/run/shared\"]\ndevices = [\"/dev/rtc0\"]\n";

    (void)state;
    make(toml, "/run/one");
    assert_int_equal(find("/run/one")->attributes,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    assert_true(find("/run/shared")->make_source);
    assert_int_equal(find("/run/shared")->attributes & MOUNT_ATTR_RDONLY, 0);
    assert_int_equal(find("/dev/rtc0")->attributes, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    assert_int_equal(find("/var/lib/tools/one")->attributes,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    assert_int_equal(index_of("/var/lib/tools"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
