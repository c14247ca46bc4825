#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "sys/file.h"
#include "work/manifest.h"

#define BASE "name = 'time'\ndescription = 'Keeps the clock'\nrun = ['/usr/sbin/chronyd', '-d']\n"

static int parse(const char *text, struct service_manifest *ret, struct failure *f)
{
    return service_manifest_parse("time.toml", "time", text, strlen(text), ret, f);
}

static void test_defaults(void **state)
{
    struct failure f = FAILURE_NONE;
    struct service_manifest m;

    (void)state;
    assert_int_equal(parse(BASE, &m, &f), 0);
    assert_string_equal(m.name, "time");
    assert_int_equal(m.tier, WORK_TIER_NODE);
    assert_int_equal(m.run.count, 2);
    assert_int_equal(m.kind, WORK_KIND_DAEMON);
    assert_string_equal(m.user, "broch-time");
    assert_true(m.user_is_own);
    assert_true(m.required);
    assert_null(m.condition);
    assert_int_equal(m.ready.kind, WORK_READY_START);
    assert_int_equal(m.ready.within_ns, 30 * NS_PER_S);
    assert_int_equal(m.restart.policy, WORK_RESTART_ALWAYS);
    assert_int_equal(m.restart.burst, 5);
    assert_int_equal(m.restart.attempts, 8);
    assert_string_equal(m.stop.signal, "TERM");
    assert_int_equal(m.stop.within_ns, 5 * NS_PER_S);
    assert_int_equal(m.scratch.class, WORK_SCRATCH_NONE);
    assert_int_equal(m.network.mode, WORK_NETWORK_NONE);
    assert_int_equal(m.limits.memory, 128 * MIB);
    assert_int_equal(m.limits.tasks, 64);
    assert_int_equal(m.cpus_thousandths, 0);
    assert_int_equal(m.limits.oom, WORK_OOM_NORMAL);
    assert_int_equal(m.confine.level, WORK_CONFINE_STRICT);
    assert_int_equal(m.log.size, MIB);
    service_manifest_done(&m);
    assert_null(m.user);
    service_manifest_done(&m); /* zeroed, so a second time does nothing */
}

static void test_whole(void **state)
{
    struct failure f = FAILURE_NONE;
    struct service_manifest m;

    (void)state;
    assert_int_equal(
        parse("name = 'time'\ndescription = 'Keeps the clock'\ntier = 'node'\n"
              "run = ['/usr/sbin/chronyd', '-d', '']\nkind = 'daemon'\nuser = '_chrony'\n"
              "needs = ['clock', 'network']\nbefore = ['ssh']\nrequired = false\n"
              "condition = 'time.servers'\nchecks = ['/usr/lib/broch/check-time']\n"
              "[ready]\nkind = 'file'\npath = '/run/chrony/chronyd.pid'\nwithin = '10s'\n"
              "[restart]\npolicy = 'on-failure'\nburst = 3\nwindow = '30s'\ndelay_max = '2min'\n"
              "attempts = 0\n"
              "[stop]\nsignal = 'INT'\nwithin = '500ms'\n"
              "[scratch]\nclass = 'persistent'\nsize = '1MiB'\n"
              "[network]\nmode = 'host'\nlisten = ['udp/123', 'tcp/65535']\n"
              "[limits]\ncpus = '0.5'\nmemory = '64MiB'\ntasks = 32\nfiles = 256\noom = 'last'\n"
              "[confine]\ncapabilities = ['sys_time']\nwrite = ['/run/chrony']\n"
              "devices = ['/dev/rtc0']\nsyscalls = ['@clock', 'adjtimex']\n"
              "[log]\nsize = '256KiB'\n",
              &m, &f),
        0);
    assert_string_equal(m.user, "_chrony");
    assert_false(m.user_is_own);
    assert_string_equal(m.needs.items[1], "network");
    assert_string_equal(m.before.items[0], "ssh");
    assert_false(m.required);
    assert_string_equal(m.condition, "time.servers");
    assert_string_equal(m.checks.items[0], "/usr/lib/broch/check-time");
    assert_int_equal(m.ready.kind, WORK_READY_FILE);
    assert_string_equal(m.ready.path, "/run/chrony/chronyd.pid");
    assert_int_equal(m.restart.policy, WORK_RESTART_ON_FAILURE);
    assert_int_equal(m.restart.delay_max_ns, 120 * NS_PER_S);
    assert_int_equal(m.restart.attempts, 0);
    assert_string_equal(m.stop.signal, "INT");
    assert_int_equal(m.stop.within_ns, 500 * NS_PER_MS);
    assert_int_equal(m.scratch.class, WORK_SCRATCH_PERSISTENT);
    assert_int_equal(m.network.mode, WORK_NETWORK_HOST);
    assert_int_equal(m.network.listen.count, 2);
    assert_int_equal(m.cpus_thousandths, 500);
    assert_int_equal(m.limits.memory, 64 * MIB);
    assert_int_equal(m.limits.oom, WORK_OOM_LAST);
    assert_string_equal(m.confine.capabilities.items[0], "sys_time");
    assert_string_equal(m.confine.syscalls.items[0], "@clock");
    assert_int_equal(m.log.size, 256 * KIB);
    service_manifest_done(&m);
}

/* What is part of the system has the network and no limits unless the manifest says so. */
static void test_system(void **state)
{
    struct failure f = FAILURE_NONE;
    struct service_manifest m;

    (void)state;
    assert_int_equal(
        parse(BASE "user = 'root'\n[confine]\nlevel = 'system'\nreason = 'PID 1'\n", &m, &f), 0);
    assert_int_equal(m.network.mode, WORK_NETWORK_HOST);
    assert_int_equal(m.limits.memory, 0);
    assert_int_equal(m.limits.tasks, 0);
    service_manifest_done(&m);
    assert_int_equal(parse(BASE "[limits]\nmemory = '8MiB'\ntasks = 4\n[network]\nmode = 'none'\n"
                                "[confine]\nlevel = 'system'\nreason = 'PID 1'\n",
                           &m, &f),
                     0);
    assert_int_equal(m.network.mode, WORK_NETWORK_NONE);
    assert_int_equal(m.limits.memory, 8 * MIB);
    assert_int_equal(m.limits.tasks, 4);
    service_manifest_done(&m);
}

static void test_once(void **state)
{
    struct failure f = FAILURE_NONE;
    struct service_manifest m;

    (void)state;
    assert_int_equal(parse(BASE "kind = 'once'\n", &m, &f), 0);
    assert_int_equal(m.kind, WORK_KIND_ONCE);
    assert_int_equal(m.restart.policy, WORK_RESTART_ON_FAILURE);
    service_manifest_done(&m);
}

struct refusal {
    const char *text, *message;
};

static void check_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct service_manifest m = { .name = NULL };
        struct failure f = FAILURE_NONE;

        if (parse(cases[i].text, &m, &f) >= 0)
            fail_msg("case %zu is accepted: %s", i, cases[i].text);
        assert_string_equal(f.text, cases[i].message);
        assert_null(m.name);
    }
}

static void test_refused_keys(void **state)
{
    static const struct refusal cases[] = {
        { "name = 'time'\nrum = []\n", "time.toml:2: unknown key 'rum', did you mean 'run'?" },
        { BASE "[restart]\npolicy = 'allways'\n",
          "time.toml:5: 'policy' is 'allways', did you mean 'always'?" },
        { BASE "[limits]\nmemory = '64MB'\n",
          "time.toml:5: 'memory' must be a size such as \"512MiB\", not '64MB'" },
        { BASE "[limits]\ncpus = '0.0'\n",
          "time.toml:5: 'cpus' is '0.0', it must be processors such as \"2\" or \"0.25\"" },
        { BASE "[limits]\ncpus = '.5'\n",
          "time.toml:5: 'cpus' is '.5', it must be processors such as \"2\" or \"0.25\"" },
        { BASE "[limits]\ncpus = '0.1234'\n",
          "time.toml:5: 'cpus' is '0.1234', it must be processors such as \"2\" or \"0.25\"" },
        { BASE "[limits]\ncpus = '1.'\n",
          "time.toml:5: 'cpus' is '1.', it must be processors such as \"2\" or \"0.25\"" },
        { BASE "[limits]\ncpus = '2000'\n",
          "time.toml:5: 'cpus' is '2000', it must be processors such as \"2\" or \"0.25\"" },
        { BASE "user = 'Root'\n", "time.toml:4: 'user' is 'Root', it must be the name of a user: "
                                  "small letters, digits, '-' and '_'" },
        { BASE "needs = ['../x']\n",
          "time.toml:4: 'needs' is '../x', it must begin with a small letter and hold up to 24 "
          "letters, digits, '-' and '_'" },
        { BASE "before = ['*']\n",
          "time.toml:4: 'before' is '*', it must begin with a small letter and hold up to 24 "
          "letters, digits, '-' and '_'" },
        { BASE "condition = 'admin.'\n", "time.toml:4: 'condition' is 'admin.', it must be a key "
                                         "of the configuration such as 'admin.ssh_keys'" },
        { BASE "[network]\nmode = 'host'\nlisten = ['tcp/0']\n",
          "time.toml:6: 'listen' is 'tcp/0', it must be 'tcp/' or 'udp/' and a port" },
        { BASE "[confine]\nwrite = ['/run/../etc']\n",
          "time.toml:5: 'write' is '/run/../etc', it must be an absolute path without '.', '..' or "
          "empty parts" },
        { BASE "[confine]\nwrite = ['/run/']\n",
          "time.toml:5: 'write' is '/run/', it must be an absolute path without '.', '..' or empty "
          "parts" },
        { BASE "[confine]\ndevices = ['/run/x']\n",
          "time.toml:5: 'devices' is '/run/x', it must be a path under /dev" },
        { BASE "[confine]\ncapabilities = ['sys_tine']\n",
          "time.toml:5: 'capabilities' is 'sys_tine', did you mean 'sys_time'?" },
        { BASE "[confine]\nsyscalls = ['@']\n",
          "time.toml:5: 'syscalls' is '@', it must be a system call, or a group of "
          "them with '@', that docs/hardening.md names" },
    };

    (void)state;
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_refused_together(void **state)
{
    static const struct refusal cases[] = {
        { "name = 'tyme'\ndescription = 'x'\nrun = ['/x']\n",
          "time.toml:1: 'name' is 'tyme', but the file is 'time.toml'" },
        { BASE "tier = 'org-vm'\n",
          "time.toml:4: 'tier' is 'org-vm', which does not run yet: only 'node' does" },
        { "name = 'time'\ndescription = 'x'\nrun = []\n",
          "time.toml:3: 'run' is empty, it must begin with a program" },
        { "name = 'time'\ndescription = 'x'\nrun = ['chronyd']\n",
          "time.toml:3: 'run' begins with 'chronyd', it must be an absolute path without '.', '..' "
          "or empty parts" },
        { BASE "needs = ['a', 'time']\n", "time.toml:4: 'needs' names the service itself" },
        { BASE "before = ['time']\n", "time.toml:4: 'before' names the service itself" },
        { BASE "needs = ['a', 'b', 'a']\n", "time.toml:4: 'needs' names 'a' twice" },
        { BASE "needs = ['a', '*']\n",
          "time.toml:4: 'needs' has '*' beside other names, which it includes" },
        { BASE "kind = 'once'\n[ready]\nkind = 'start'\n",
          "time.toml:6: 'ready.kind' has no meaning for kind \"once\"" },
        { BASE "[ready]\nkind = 'file'\n",
          "time.toml:4: 'ready.path' is missing, kind \"file\" needs it" },
        { BASE "[ready]\npath = '/run/x'\n", "time.toml:5: 'ready.path' needs kind \"file\"" },
        { BASE "kind = 'once'\n[restart]\npolicy = 'always'\n",
          "time.toml:6: 'restart.policy' must not be \"always\" for kind \"once\"" },
        { BASE "[network]\nlisten = ['tcp/22']\n",
          "time.toml:5: 'network.listen' needs mode \"host\"" },
        { BASE "[confine]\nlevel = 'system'\n",
          "time.toml:4: 'confine.reason' is missing, level \"system\" needs it" },
        { BASE "[confine]\nlevel = 'system'\nreason = ''\n",
          "time.toml:6: 'confine.reason' is missing, level \"system\" needs it" },
        { BASE "[confine]\nreason = 'why not'\n",
          "time.toml:5: 'confine.reason' needs level \"system\"" },
    };

    (void)state;
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_names(void **state)
{
    static const char *const good[] = { "a", "console-ttyS0", "a_b", "abcdefghijklmnopqrstuvwx" };
    static const char *const bad[] = { "",   "A",   "0",  "-a",      "a b",
                                       "a.", "a/b", "\n", "default", "abcdefghijklmnopqrstuvwxy" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_null(service_name_judge(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_non_null(service_name_judge(bad[i]));
}

static void test_ports(void **state)
{
    static const char *const bad[] = { "",       "tcp",     "tcp/",    "tcp/0",   "tcp/022",
                                       "tcp/-1", "sctp/22", "tcp/ 22", "tcp/22 ", "tcp/65536",
                                       "TCP/22", "22",      "udp/x" };
    struct service_port port = { false, 7 };

    (void)state;
    assert_true(service_port_parse("udp/65535", &port));
    assert_true(port.is_udp && port.number == 65535);
    assert_true(service_port_parse("tcp/1", &port));
    assert_true(!port.is_udp && port.number == 1);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(service_port_parse(bad[i], &port));
    assert_int_equal(port.number, 1);
}

/* Files under /var keep their owner from one generation to the next: these numbers never change. */
static void test_uid(void **state)
{
    (void)state;
    assert_int_equal(service_manifest_uid("syslog"), 84259);
    assert_int_equal(service_manifest_uid("time"), 90047);
    for (char name[] = "a"; name[0] <= 'z'; name[0]++) {
        assert_in_range(service_manifest_uid(name), SERVICE_UID_MIN, SERVICE_UID_MAX);
        assert_int_equal(service_manifest_uid(name), service_manifest_uid(name));
    }
}

struct folders {
    char root[32], image[48], machine[48];
};

static int enter(void **state)
{
    static struct folders folders;

    (void)snprintf(folders.root, sizeof(folders.root), "/tmp/broch-manifest-XXXXXX");
    if (!mkdtemp(folders.root))
        return -1;
    (void)snprintf(folders.image, sizeof(folders.image), "%s/image", folders.root);
    (void)snprintf(folders.machine, sizeof(folders.machine), "%s/machine", folders.root);
    *state = &folders;
    return mkdir(folders.image, 0755) == 0 && mkdir(folders.machine, 0755) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    struct failure f = FAILURE_NONE;

    return file_remove_tree(((struct folders *)*state)->root, &f);
}

static void write_manifest(const char *folder, const char *file, const char *user)
{
    struct failure f = FAILURE_NONE;
    char path[128], text[256];
    int length = snprintf(text, sizeof(text),
                          "name = '%.*s'\ndescription = 'x'\nrun = ['/x']\nuser = '%s'\n",
                          (int)strcspn(file, "."), file, user);

    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    assert_int_equal(file_write(path, text, (size_t)length, 0644, &f), 0);
}

static void test_load(void **state)
{
    const struct folders *places = *state;
    const struct service_folders folders = { places->image, places->machine };
    const struct service_folders image_only = { places->image, NULL };
    struct failure f = FAILURE_NONE;
    struct service_manifest m;

    write_manifest(places->image, "time.toml", "root");
    write_manifest(places->machine, "time.toml", "mallory"); /* the image's name: not taken */
    write_manifest(places->machine, "mine.toml", "me");
    assert_int_equal(service_manifest_load(&folders, "time", &m, &f), 0);
    assert_string_equal(m.user, "root");
    assert_false(m.is_machines);
    assert_true(m.required);
    service_manifest_done(&m);
    assert_int_equal(service_manifest_load(&folders, "mine", &m, &f), 0);
    assert_string_equal(m.user, "me");
    assert_true(m.is_machines);
    assert_false(m.required); /* the machine's own: not unless it says so */
    service_manifest_done(&m);
    write_manifest(places->machine, "must.toml", "me'\nrequired = true\n#'");
    assert_int_equal(service_manifest_load(&folders, "must", &m, &f), 0);
    assert_true(m.required);
    service_manifest_done(&m);
    assert_int_equal(service_manifest_load(&image_only, "mine", &m, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SERVICE_UNKNOWN);
    assert_int_equal(service_manifest_load(&folders, "tine", &m, &f), -ENOENT);
    assert_string_equal(f.text, "there is no service 'tine', did you mean 'time'?");
    assert_int_equal(service_manifest_load(&folders, "../image/time", &m, &f), -ENOENT);
}

static void test_list(void **state)
{
    const struct folders *places = *state;
    struct service_names names = { .count = 7 };
    struct failure f = FAILURE_NONE;

    write_manifest(places->image, "watchdog.toml", "root");
    write_manifest(places->image, "time.toml", "root");
    write_manifest(places->image, "time.toml~", "root");
    write_manifest(places->image, ".toml", "root");
    write_manifest(places->image, "README", "root");
    write_manifest(places->image, "Bad.toml", "root");
    assert_int_equal(service_names_list(places->image, &names, &f), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.names[0], "time");
    assert_string_equal(names.names[1], "watchdog");
    assert_int_equal(service_names_list("/nowhere", &names, &f), 0);
    assert_int_equal(names.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_refused_keys),
        cmocka_unit_test(test_refused_together),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_uid),
        cmocka_unit_test_setup_teardown(test_load, enter, leave),
        cmocka_unit_test_setup_teardown(test_list, enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
