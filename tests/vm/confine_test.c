/* What confinement forbids, each beside a twin in which the same is allowed. One machine serves all
 * tests but the last: each writes a manifest of the machine's own and becomes that service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "fixture.h"
#include "sys/file.h"

#define FOLDER "/etc/broch/services/"

/* Becomes a service with this script for bash (no quotes in it) and these lines of its manifest
 * (double quotes only); returns what it printed. */
static char *become(struct place *place, const char *name, const char *script, const char *lines)
{
    _cleanup_free_ char *command =
        text_make("cat > " FOLDER "%s.toml <<'X'\nname = \"%s\"\ndescription = \"test\"\n"
                  "run = [\"/usr/bin/bash\", \"-c\", '''%s''']\n%s\nX\n"
                  "/usr/lib/broch/confine %s 3>/dev/null 2>&1; echo rc=$?",
                  name, name, script, lines, name);

    assert_non_null(command);
    return as_root(place, command);
}

#define STARTED "[ready]\nkind = \"start\"\n"

static char *strict(struct place *place, const char *script, const char *lines)
{
    _cleanup_free_ char *all = text_make("%s\n" STARTED, lines);

    return become(place, "one", script, all);
}

static char *loose(struct place *place, const char *script)
{
    return become(place, "one", script,
                  "user = \"root\"\n[confine]\nlevel = \"system\"\nreason = \"twin\"\n" STARTED);
}

static void has(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("'%s' is missing in: %s", text, output);
}

static void has_not(const char *output, const char *text)
{
    if (strstr(output, text))
        fail_msg("'%s' is in: %s", text, output);
}

/* A line of the kernel's audit log with both texts, or not. */
static void expect_audit(struct place *place, const char *one, const char *other, bool there)
{
    _cleanup_free_ char *command = text_make(
        "dmesg | grep '%s' | grep -q '%s' && echo 'log''ged' || echo 'si''lent'; dmesg -C", one,
        other);
    _cleanup_free_ char *output = as_root(place, command);

    has(output, there ? "logged" : "silent");
}

static int boot(void **state)
{
    int r = fixture_start(state);
    struct place *place;

    if (r == 0)
        r = place_setup(state);
    if (r < 0)
        return r;
    place = *state;
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    start(place);
    (void)expect_ready(place);
    login(place);
    return 0;
}

static void test_identity(void **state)
{
    static const char script[] = "id -u; grep -E ^Cap[A-Za-z]*:.*[1-9a-f] /proc/self/status; "
                                 "grep NoNewPrivs /proc/self/status; cat /proc/self/attr/current";
    _cleanup_free_ char *bare = strict(*state, script, "");
    _cleanup_free_ char *one = strict(*state, script, "[confine]\ncapabilities = [\"net_raw\"]\n");
    _cleanup_free_ char *root = strict(*state, script, "user = \"root\"\n");
    _cleanup_free_ char *twin = loose(*state, script);

    has_not(bare, "Cap");
    has(bare, "NoNewPrivs:\t1");
    has(bare, "broch-local (enforce)");
    has(one, "CapEff:\t0000000000002000");
    has(one, "CapBnd:\t0000000000002000");
    has_not(root, "Cap"); /* user 0 without the rights of root */
    has(twin, "CapEff:\t000001ffffffffff");
    has(twin, "NoNewPrivs:\t0");
    has(twin, "unconfined");
}

static void test_no_new_privileges(void **state)
{
    _cleanup_free_ char *bound = strict(*state, "doas -n true", "user = \"admin\"\n");
    _cleanup_free_ char *twin =
        become(*state, "one", "doas -n true",
               "user = \"admin\"\n[confine]\nlevel = \"system\"\nreason = \"twin\"\n" STARTED);

    has(bound, "not installed setuid");
    has_not(twin, "not installed setuid"); /* it runs as root, and asks who is there */
    has(twin, "rc=1");
}

static void test_memory(void **state)
{
    static const char script[] = "head -c 48M /dev/zero | tail -c 48M | wc -c; echo alive";
    _cleanup_free_ char *small = strict(*state, script, "[limits]\nmemory = \"24MiB\"\n");
    _cleanup_free_ char *events =
        as_root(*state, "cat /sys/fs/cgroup/broch/one/memory.events; cat /proc/1/comm");
    _cleanup_free_ char *large = strict(*state, script, "[limits]\nmemory = \"128MiB\"\n");

    has_not(small, "50331648");
    has_not(small, "alive"); /* all of the service ended, not one process of it */
    has(small, "rc=137");
    has(events, "oom_group_kill 1");
    has(events, "s6-svscan"); /* and nothing else did */
    has(large, "50331648");
}

static void test_tasks(void **state)
{
    static const char script[] = "cat /sys/fs/cgroup/broch/one/pids.max /sys/fs/cgroup/broch/one/"
                                 "cpu.max; ulimit -n";
    _cleanup_free_ char *bound =
        strict(*state, script, "[limits]\ntasks = 7\ncpus = \"0.25\"\nfiles = 99\n");
    _cleanup_free_ char *twin = strict(*state, script, "[limits]\ntasks = 9\nfiles = 100\n");

    has(bound, "7\n25000 100000\n99");
    has(twin, "9\n");
    has_not(twin, "25000 100000");
}

static void test_filter(void **state)
{
    static const char script[] = "nice -n 5 true; unshare -i true; echo end";
    _cleanup_free_ char *refused = NULL, *allowed = NULL;

    expect_audit(*state, "type=1326", "nothing of this name", false);
    refused = strict(*state, script, "");
    has(refused, "nice: cannot set niceness: Operation not permitted");
    has(refused, "end");
    expect_audit(*state, "type=1326", "comm=\"nice\"", true);
    allowed = strict(*state, script, "[confine]\nsyscalls = [\"@scheduling\"]\n");
    has_not(allowed, "nice: ");
    expect_audit(*state, "type=1326", "comm=\"nice\"", false);
}

/* To root without capabilities the file's mode would let it be read. */
static void test_profile(void **state)
{
    static const char script[] = "cat /etc/shadow";
    _cleanup_free_ char *refused = strict(*state, script, "user = \"root\"\n");
    _cleanup_free_ char *allowed = NULL;

    has(refused, "Permission denied");
    has_not(refused, "admin:");
    expect_audit(*state, "apparmor=\"DENIED\"", "/etc/shadow", true);
    allowed = loose(*state, script);
    has(allowed, "admin:");
    expect_audit(*state, "apparmor=\"DENIED\"", "/etc/shadow", false);
}

static void test_tmp(void **state)
{
    static const char script[] = "ls /tmp; cp /usr/bin/true /tmp/t && /tmp/t || echo refused; "
                                 "/usr/bin/true && echo ran";
    _cleanup_free_ char *prepared = as_root(*state, "touch /tmp/of-the-machine");
    _cleanup_free_ char *bound = strict(*state, script, "");
    _cleanup_free_ char *twin = loose(*state, "ls /tmp");

    assert_non_null(prepared);
    has_not(bound, "of-the-machine");
    has(bound, "refused");
    has(bound, "ran");
    has(twin, "of-the-machine");
    has_not(twin, "\nt\n"); /* what it left is not in the machine's folder either */
}

static void test_read_only(void **state)
{
    static const char script[] =
        "for f in /usr/x /etc/x /x /var/x /sys/x /proc/sys/kernel/core_pattern; "
        "do (echo > $f) 2>&1; done; echo x > $SCRATCH/x && cat $SCRATCH/x";
    _cleanup_free_ char *output = strict(
        *state, script, "user = \"root\"\n[scratch]\nclass = \"ephemeral\"\nsize = \"64KiB\"\n");
    const char *at = output;
    size_t count = 0;

    for (; (at = strstr(at, "Read-only file system")); at++)
        count++;
    assert_int_equal(count, 6);
    has(output, "\nx\n");
}

static void test_network(void **state)
{
    static const char script[] = "ls /sys/class/net; cat /proc/net/dev | grep -c :";
    _cleanup_free_ char *host = as_root(*state, "ip link add probe0 type veth peer probe1; echo");
    _cleanup_free_ char *none = strict(*state, script, "[network]\nmode = \"none\"\n");
    _cleanup_free_ char *twin = strict(*state, script, "[network]\nmode = \"host\"\n");

    assert_non_null(host);
    has(none, "lo\n1\n");
    has_not(none, "probe0");
    has(twin, "probe0");
}

static void test_others_are_hidden(void **state)
{
    static const char script[] =
        "ls -d /run/two /run/broch/secrets /home/admin /etc/broch/secrets "
        "/dev/vda /dev/kmsg /run/service; ls /run/two; ls /etc/broch/secrets; "
        "ls /run/broch/secrets; ps -e | wc -l";
    _cleanup_free_ char *prepared = as_root(
        *state, "mkdir -p /run/two; echo x > /run/two/state; echo y > /etc/broch/secrets/key; "
                "echo z > /run/broch/secrets/key; chmod 755 /run/two");
    _cleanup_free_ char *bound = strict(*state, script, "user = \"root\"\n");
    _cleanup_free_ char *twin =
        strict(*state, "ls /run/two; ls /dev/kmsg",
               "[confine]\nwrite = [\"/run/two\"]\ndevices = [\"/dev/kmsg\"]\n");

    assert_non_null(prepared);
    has_not(bound, "state");
    has_not(bound, "key");
    has(bound, "/home/admin': No such file");
    has(bound, "/dev/kmsg': No such file");
    has(bound, "/run/two': No such file");
    has(twin, "state");
    has(twin, "/dev/kmsg");
    has_not(twin, "cannot access");
}

static void test_secrets(void **state)
{
    _cleanup_free_ char *output = as_root(
        *state, "stat -c '%a %U' /etc/broch/secrets /run/broch/secrets; "
                "stat -f -c %T /run/broch/secrets; grep ' /run/broch/secrets ' /proc/mounts");
    _cleanup_free_ char *other = run_inside(*state, "ls /etc/broch/secrets /run/broch/secrets");

    has(output, "700 root\n700 root\ntmpfs");
    has(output, "nosuid,nodev,noexec");
    has(other, "Permission denied");
}

static void test_core(void **state)
{
    _cleanup_free_ char *first = strict(*state, "kill -SEGV $$", "");
    _cleanup_free_ char *kept =
        as_root(*state, "stat -c '%a %U' /var/crash /var/crash/*; ls /var/crash");
    _cleanup_free_ char *more = as_root(
        *state, "for i in 1 2 3 4 5; do bash -c 'kill -SEGV $$'; done; ls /var/crash | wc -l");
    _cleanup_free_ char *size =
        as_root(*state, "n=$(df --output=size -B1 /var | tail -1); for f in /var/crash/*; do "
                        "[ $(stat -c %s $f) -le $((n / 32)) ] && echo 'bou''nded'; done");

    has(first, "rc=139");
    has(kept, "700 root\n600 root");
    has(kept, "-bash-");
    has(more, "\n4\n");
    has(size, "bounded");
}

/* docs/hardening.md says of the image's own strict services, and of the groups of system calls,
 * what this machine says. */
static void test_document(void **state)
{
    _cleanup_free_ char *started = as_root(
        *state,
        "for s in syslog network time metrics; do setsid /usr/lib/broch/confine $s 3>/dev/null "
        ">/dev/null 2>&1 & done; for s in syslog network time metrics; do "
        "while ! grep -q broch-$s /proc/[0-9]*/attr/current; do :; done; done");
    _cleanup_free_ char *table = as_root(*state, "/usr/lib/broch/confine --in-force");
    _cleanup_free_ char *document = NULL;
    struct failure f = FAILURE_NONE;
    size_t size, rows = 0;

    assert_non_null(started);
    assert_int_equal(file_read(HARDENING, MIB, (uint8_t **)&document, &size, &f), 0);
    for (char *line = document; *line; line += strlen(line) + 1) {
        line[strcspn(line, "\n")] = '\0'; /* the last line of a document ends with a newline */
        if (!strstr(line, "(enforce) |") && !strstr(line, "| `@"))
            continue;
        has(table, line);
        rows++;
    }
    assert_true(rows > 20);
}

/* Each setting of the list is what the kernel says it is; Debian's has all, also those marked '?'.
 */
static void test_settings(void **state)
{
    _cleanup_free_ char *output = as_root(
        *state, "sed -n \"s/^?*\\([a-z][^ ]*\\) = \\(.*[^ ]\\) *#.*/\\1 \\2/p\" "
                "/usr/lib/broch/sysctl | while read -r n v; do w=$(echo $(cat /proc/sys/$n)); "
                "[ \"$v\" = \"$w\" ] && echo same || echo \"$n: $w, not $v\"; done");

    has(output, "same");
    has_not(output, ", not ");
}

/* A manifest that cannot be kept to the letter starts nothing. */
static void test_closed(void **state)
{
    _cleanup_free_ char *device =
        strict(*state, "echo st''arted", "[confine]\ndevices = [\"/dev/no-such\"]\n");
    _cleanup_free_ char *twin =
        strict(*state, "echo st''arted", "[confine]\ndevices = [\"/dev/null\"]\n");
    _cleanup_free_ char *removed =
        as_root(*state, "printf broch-local > /sys/kernel/security/apparmor/.remove");
    _cleanup_free_ char *profile = strict(*state, "echo st''arted", "");

    assert_non_null(removed);
    has(device, "BR-CONFINE");
    has_not(device, "started");
    has(twin, "started");
    has(profile, "no AppArmor profile");
    has_not(profile, "started");
}

static void test_clock_floor(void **state)
{
    struct place *place;
    _cleanup_free_ char *year = NULL;

    assert_int_equal(place_setup(state), 0);
    place = *state;
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    place->config.clock = "2001-01-01T00:00:00";
    start(place);
    (void)expect_ready(place);
    has(vm_console(place->vm), "step=clock status=raised");
    login(place);
    year = run_inside(place, "[ $(date +%s) -ge $(. /etc/os-release; echo $BROCH_BUILD_DATE) ] && "
                             "echo 'go''od'");
    has(year, "good");
    assert_int_equal(place_teardown(state), 0);
}

static void test_clock_is_left_alone(void **state)
{
    const struct place *place = *state;

    has_not(vm_console(place->vm), "step=clock status=raised");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_no_new_privileges),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_tmp),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_others_are_hidden),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_core),
        cmocka_unit_test(test_clock_is_left_alone),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_closed),
    };
    const struct CMUnitTest apart[] = { cmocka_unit_test(test_clock_floor) };
    const char *filter = getenv("BROCH_TEST");
    int failed;

    if (filter)
        cmocka_set_test_filter(filter);
    failed = cmocka_run_group_tests(tests, boot, place_teardown);
    return failed + cmocka_run_group_tests(apart, fixture_start, NULL);
}
