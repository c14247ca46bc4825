#include "image/cleanup_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

/* For each rule one path that goes and the nearest one that stays. */
static const struct {
    const char *pattern, *goes, *stays;
} cases[] = {
    { "dev/**", "dev/null", "dev" },
    { "proc/**", "proc/self", "proc" },
    { "sys/**", "sys/class/net", "sys" },
    { "run/**", "run/lock", "running/x" },
    { "tmp/**", "tmp/x", "tmp" },
    { "boot/**", "boot/vmlinuz", "usr/boot/x" },
    { "etc/ssh/ssh_host_*", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_config" },
    { "etc/machine-id", "etc/machine-id", "etc/machine-info" },
    { "var/lib/dbus/machine-id", "var/lib/dbus/machine-id", "var/lib/dbus" },
    { "etc/hostname", "etc/hostname", "etc/hosts" },
    { "etc/resolv.conf", "etc/resolv.conf", "etc/resolv.conf.d" },
    { "etc/hosts.*", "etc/hosts.bak", "etc/hosts" },
    { "etc/mtab", "etc/mtab", "etc/mtab.d" },
    { "etc/.pwd.lock", "etc/.pwd.lock", "etc/pwd.lock" },
    { "etc/passwd-", "etc/passwd-", "etc/passwd" },
    { "etc/group-", "etc/group-", "etc/group" },
    { "etc/shadow-", "etc/shadow-", "etc/shadow" },
    { "etc/gshadow-", "etc/gshadow-", "etc/gshadow" },
    { "etc/subuid-", "etc/subuid-", "etc/subuid" },
    { "etc/subgid-", "etc/subgid-", "etc/subgid" },
    { "etc/apt/sources.list*", "etc/apt/sources.list", "etc/apt/sources" },
    { "etc/apt/sources.list*", "etc/apt/sources.list.d/x.list", "etc/apt/preferences.d/x" },
    { "etc/apt/apt.conf.d/99mmdebstrap", "etc/apt/apt.conf.d/99mmdebstrap",
      "etc/apt/apt.conf.d/01autoremove" },
    { "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/dpkg/dpkg.cfg" },
    { "var/lib/dpkg/**", "var/lib/dpkg/info/apt.list", "var/lib/dpkg" },
    { "var/lib/apt/**", "var/lib/apt/lists/x", "var/lib/aptitude" },
    { "var/cache/**", "var/cache/apt/pkgcache.bin", "var/cache" },
    { "var/log/**", "var/log/apt/history.log", "var/log" },
    { "var/tmp/**", "var/tmp/x", "var/tmp" },
    { "var/backups/**", "var/backups/dpkg.status.0", "var/backups" },
    { "root/.*", "root/.bashrc", "root" },
    { "root/.*", "root/.ssh/authorized_keys", "root/notes/.bashrc" }, /* folder and content */
    { "usr/share/doc/*/changelog*", "usr/share/doc/apt/changelog.gz",
      "usr/share/doc/apt/copyright" },
    { "**/__pycache__/**", "usr/lib/python3/__pycache__/x.pyc", "usr/lib/python3/__pycache__" },
    { "**/__pycache__/**", "a/__pycache__x/__pycache__/y", "a/x__pycache__/y" },
    { "**/__pycache__/**", "__pycache__/x", "a/__pycache__y/z" },
    { "var/lib/systemd/random-seed", "var/lib/systemd/random-seed", "var/lib/systemd" },
    { "etc/adjtime", "etc/adjtime", "etc/adjtime.conf" },
};

static void test_each_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct cleanup_rule *rule = cleanup_match(cases[i].goes);

        if (!rule)
            fail_msg("'%s' stays", cases[i].goes);
        assert_string_equal(rule->pattern, cases[i].pattern);
        if (cleanup_match(cases[i].stays))
            fail_msg("'%s' goes", cases[i].stays);
    }
}

/* A rule without a case, or one that an earlier rule makes idle, is not tested. */
static void test_no_rule_without_case(void **state)
{
    size_t count;
    const struct cleanup_rule *rules = cleanup_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        size_t found = 0;

        for (size_t j = 0; j < ARRAY_SIZE(cases); j++)
            found += strcmp(cases[j].pattern, rules[i].pattern) == 0;
        if (found == 0)
            fail_msg("no case for '%s'", rules[i].pattern);
        assert_true(strlen(rules[i].reason) > 0);
    }
}

static void test_what_always_stays(void **state)
{
    static const char *const paths[] = { "",           "etc",          "usr/bin/bash",
                                         "etc/passwd", "etc/shadow",   "usr/lib/os-release",
                                         "var/lib",    "usr/lib/boot", "lib" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_null(cleanup_match(paths[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),
        cmocka_unit_test(test_no_rule_without_case),
        cmocka_unit_test(test_what_always_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
