/* The configuration of a running machine: what may be written and by whom, what a bad layer does,
 * and that names and zones follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fixture.h"

static void boot(struct place *place)
{
    place->config.boot = VM_BOOT_DIRECT;
    place->config.secure_boot = false;
    place->config.keys = NULL;
    place->config.tpm = false;
    place->config.initrd = artifact("initrd");
    place->config.cmdline = fixture_manifest.cmdline;
    place->config.disks[0] = (struct vm_disk){ .path = artifact("system.erofs"),
                                               .format = VM_DISK_RAW,
                                               .read_only = true };
    start(place);
    (void)expect_ready(place);
    login(place);
}

/* Runs a command as admin or as root and looks for a text in what it printed. */
static void expect(struct place *place, bool root, const char *command, const char *text)
{
    _cleanup_free_ char *output = root ? as_root(place, command) : run_inside(place, command);

    if (!strstr(output, text))
        fail_msg("'%s' did not print '%s' but: %s", command, text, output);
}

static void expect_not(struct place *place, bool root, const char *command, const char *text)
{
    _cleanup_free_ char *output = root ? as_root(place, command) : run_inside(place, command);

    if (strstr(output, text))
        fail_msg("'%s' printed '%s': %s", command, text, output);
}

static void check_places(struct place *place)
{
    expect(place, true, "touch /usr/x", "Read-only file system");
    expect(place, true, "touch /etc/x", "Read-only file system");
    expect(place, true, "touch /etc/broch/x && rm /etc/broch/x && echo wri''tten", "written");
    expect(place, false, "touch /etc/broch/x", "Permission denied");
    expect(place, false, "ls /etc/broch/secrets", "Permission denied");
    expect(place, false, "cp /bin/true /tmp/t; /tmp/t; rm /tmp/t", "Permission denied");
    expect(place, true, "cp /bin/true /etc/broch/t; /etc/broch/t; rm /etc/broch/t",
           "Permission denied");
    /* The twin: the same program runs from where programs are. */
    expect(place, false, "/bin/true && echo ru''ns", "runs");
    expect(place, true, "grep ^root: /etc/shadow | cut -d: -f2", "*");
    expect(place, false, "cmp /etc/machine-id /var/lib/broch/machine-id && echo sa''me", "same");
    expect(place, false, "tail -n 1 /var/log/broch/boots", fixture_manifest.name);
    expect(place, false,
           "cut -d' ' -f1 /var/log/broch/boots | cmp - "
           "/proc/sys/kernel/random/boot_id && echo sa''me",
           "same");
}

static void check_showing(struct place *place)
{
    expect(place, false, "broch config diff; echo e''nd", "\nend");
    expect_not(place, false, "broch config diff", "+");
    expect(place, false, "broch config show time --origin",
           "0.debian.pool.ntp.org\", \"1.debian.pool.ntp.org\"");
    expect(place, false, "broch config show time --origin", "# /usr/lib/broch/config.toml:");
    expect(place, false, "broch config show tiem", "did you mean 'time'?");
    expect(place, false, "broch config validate", "/usr/lib/broch/config.toml: good");
}

static void check_a_bad_layer(struct place *place)
{
    expect(place, true,
           "printf 'hostname = \"bad\"\\nhostnme = 1\\n' >/etc/broch/config.toml;"
           "printf 'timezone = \"Europe/Zurich\"\\n' >/etc/broch/config.d/10.toml; echo o''k",
           "ok");
    expect(place, false, "broch config validate; echo =$?",
           "/etc/broch/config.toml:2: unknown key 'hostnme', did you mean 'hostname'?");
    expect(place, false, "broch config validate 2>&1; echo =$?", "=1");
    expect(place, true, "broch config apply; echo =$?", "=1");
    expect(place, false, "date +%Z; hostname", "UTC"); /* nothing was applied, not even the good */
    expect(place, false, "broch config show timezone --origin 2>/dev/null",
           "\"Europe/Zurich\"  # /etc/broch/config.d/10.toml:1");
    expect_not(place, false, "broch config show 2>/dev/null", "bad");
}

static void check_applying(struct place *place)
{
    expect(place, true, "printf 'hostname = \"tower\"\\n' >/etc/broch/config.toml; echo o''k",
           "ok");
    expect(place, false, "broch config apply", "BR-PRIVILEGE");
    expect(place, false, "uname -n", "broch");
    expect(place, true, "broch config apply; echo =$?", "=0");
    expect(place, false, "uname -n; cat /etc/hostname", "tower\ntower");
    expect(place, false, "date -d @1000000000 +%H:%M", "03:46");
    expect(place, false, "broch config diff", "+ hostname = \"tower\"  # /etc/broch/config.toml:1");
    expect(place, false, "broch config diff --json", "\"key\": \"timezone\", \"image\": \"UTC\"");
    /* The twin: a zone that does not exist is refused by name, and the machine keeps time. */
    expect(place, true,
           "printf 'timezone = \"No/Where\"\\n' >/etc/broch/config.d/10.toml;"
           "broch config apply",
           "there is no time zone 'No/Where'");
    expect(place, false, "date -d @1000000000 +%H:%M", "01:46");
}

static void test_running_machine(void **state)
{
    struct place *place = *state;

    boot(place);
    check_places(place);
    check_showing(place);
    check_a_bad_layer(place);
    check_applying(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_running_machine, place_setup, place_teardown),
    };
    const char *filter = getenv("BROCH_TEST");

    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
