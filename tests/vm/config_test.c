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
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    start(place);
    (void)expect_ready(place);
    login(place);
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

static void check_greeting(struct place *place)
{
    _cleanup_free_ char *head = text_make("Broch %s, profile node, kernel %s, channel development",
                                          fixture_manifest.name, fixture_manifest.kernel);

    expect(place, false, "cat /etc/motd", head);
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
    expect(place, false, "broch status", "configuration left out: /etc/broch/config.toml:2: ");
    expect(place, false, "date +%Z; hostname", "UTC"); /* nothing was applied, not even the good */
    expect(place, false, "broch config show timezone --origin 2>/dev/null",
           "\"Europe/Zurich\"  # /etc/broch/config.d/10.toml:1");
    expect_not(place, false, "broch config show 2>/dev/null", "bad");
}

/* What docs/for-linux-administrators.md says of other systems' commands. */
static void check_commands(struct place *place)
{
    static const struct {
        bool root;
        const char *command, *text;
    } there[] = {
        { false, "uname -s", "Linux" },
        { false, "cat /etc/os-release", "IMAGE_VERSION" },
        { false, "df -h /var", "tmpfs" },
        { false, "findmnt /", "erofs" },
        { false, "lsblk; echo =$?", "=0" },
        { false, "free", "Mem:" },
        { false, "top -bn1", "load average" },
        { false, "ps -e", "s6-svscan" },
        { false, "vmstat", "memory" },
        { true, "dmesg", "Linux version" },
        { false, "ip address", "LOOPBACK" },
        { false, "ss -tuln", "Netid" },
        { false, "sysctl kernel.ostype", "kernel.ostype = Linux" },
        { false, "lsmod", "Module" },
        { true, "nft list ruleset; echo =$?", "=0" },
        { false, "ping -c 1 127.0.0.1", "1 received" },
        { false, "ls -d /var/log/broch /usr/lib/broch/services /etc/broch/services; echo =$?",
          "=0" },
    };
    static const char *const gone[] = { "ifconfig",  "netstat",    "iptables",    "sudo",
                                        "systemctl", "vi",         "nano",        "crontab",
                                        "man",       "journalctl", "timedatectl", "hostnamectl" };

    for (size_t i = 0; i < ARRAY_SIZE(there); i++)
        expect(place, there[i].root, there[i].command, there[i].text);
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
        _cleanup_free_ char *command = text_make("command -v %s || echo go''ne", gone[i]);

        expect(place, false, command, "gone");
    }
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

/* A start of user space with a bad layer, in namespaces of its own: while /var is in memory, no bad
 * file outlives a real one. The supervisor is hidden, so that it ends where services would start.
 */
static void check_a_start_with_a_bad_layer(struct place *place)
{
    static const char command[] =
        "printf 'hostname = \"bad\"\\nhostnme = 1\\n' >/etc/broch/config.toml;"
        "printf 'hostname = \"good\"\\n' >/etc/broch/config.d/10.toml;"
        "unshare -pfmu sh -c 'mount -t tmpfs none /run/service;"
        "mount --bind /bin/true /usr/bin/s6-svscan; exec /usr/lib/broch/init'; echo =$?";

    expect(place, true, command, "=0");
    expect(place, true, "dmesg | grep step=configuration",
           "/etc/broch/config.toml:2: unknown key 'hostnme', did you mean 'hostname'?");
    expect(place, false, "cat /run/broch/config.toml", "hostname = \"good\"");
    expect(place, false, "uname -n", "tower"); /* the machine itself was not touched */
    expect(place, true,
           "rm /etc/broch/config.toml /etc/broch/config.d/10.toml;"
           "broch config apply; echo =$?",
           "=0");
    expect(place, false, "uname -n", "broch");
}

/* As the supervisor would start it: confined. When the service runs already, the second one finds
 * the port taken, which is fine. */
static void check_metrics(struct place *place)
{
    static const char ask[] =
        "exec 3<>/dev/tcp/127.0.0.1/9100 && "
        "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3; exec 3>&-";
    static const char plant[] =
        "printf 'own_things 7\\n' >/var/lib/broch/metrics/good.prom;"
        "printf 'own_other 7\\nrubbish\\n' >/var/lib/broch/metrics/bad.prom; echo o''k";

    expect(place, true, plant, "ok");
    expect(place, true,
           "/usr/lib/broch/confine metrics 3>/dev/null >/tmp/metrics.log 2>&1 &"
           "for i in $(seq 100); do grep -q ':238C 00000000:0000 0A' /proc/net/tcp &&"
           "echo liste''ning && break; sleep 0.1; done; cat /tmp/metrics.log",
           "listening");
    expect(place, true, "grep NoNewPrivs /proc/$(pidof metrics)/status", "NoNewPrivs:\t1");
    expect_not(place, true, "grep Uid /proc/$(pidof metrics)/status", "Uid:\t0");
    expect(place, false, ask, "Content-Type: application/openmetrics-text; version=1.0.0");
    expect(place, false, ask, fixture_manifest.name);
    expect(place, false, ask, "\nown_things 7\n");
    expect(place, false, ask, "broch_textfile_refused{file=\"bad.prom\"} 1");
    expect(place, false, ask, "broch_textfile_refused{file=\"good.prom\"} 0");
    expect(place, false, ask, "# EOF");
    expect(place, false, ask, "broch_filesystem_size_bytes{mount=\"/var\"}");
    expect(place, false, ask, "broch_memory_bytes{kind=\"available\"}");
    expect(place, false, ask, "broch_network_receive_bytes_total{interface=\"lo\"}");
    expect(place, false, ask, "broch_clock_synchronized");
    expect_not(place, false, ask, "own_other");
    /* The twin: every other address of the machine is closed. */
    expect(place, true, "ip address add 192.0.2.7/32 dev lo; echo o''k", "ok");
    expect(place, false, "exec 3<>/dev/tcp/192.0.2.7/9100", "Connection refused");
}

static void check_support(struct place *place)
{
    static const char plant[] =
        "echo xyz''zy >/etc/broch/secrets/a; chmod 600 /etc/broch/secrets/a;"
        "printf 'password = \"xyz%s\"\\n' zy >/etc/broch/config.d/50.toml;"
        "mkdir -p /var/log/broch/own; printf 'token=xyz%s here\\n' zy >/var/log/broch/own/current;"
        "export DB_PASSWORD=xyz''zy; broch support --out /tmp/s.tar; echo =$?";

    expect(place, false, "broch support --out /tmp/s.tar", "BR-PRIVILEGE");
    expect(place, true, plant, "=0");
    expect(place, false, "stat -c %a:%U /tmp/s.tar", "600:root");
    expect(place, true, "grep -c xyz''zy /tmp/s.tar", "0");
    /* The twin: what was planted is where it was looked for, without what makes it secret. */
    expect(place, true, "tar -xOf /tmp/s.tar broch-support/logs/own.log", "token=(removed) here");
    expect(place, true, "tar -xOf /tmp/s.tar broch-support/config.toml", "unknown key 'password'");
    expect(place, true, "tar -xOf /tmp/s.tar broch-support/boot.json", fixture_manifest.name);
    expect(place, true, "tar -xOf /tmp/s.tar broch-support/dmesg.txt", "broch stage1");
    expect(place, true, "rm /tmp/s.tar /etc/broch/config.d/50.toml /etc/broch/secrets/a; echo o''k",
           "ok");
}

static void check_a_full_var(struct place *place)
{
    expect(place, true, "dd if=/dev/zero of=/var/fill bs=1M", "No space left on device");
    expect(place, false, "broch status; echo =$?", "=0");
    expect(place, false, "broch config show hostname; echo =$?", "=0");
    expect(place, true, "broch support --out /var/tmp/s.tar", "BR-NO-SPACE");
    expect(place, true, "ls /var/tmp | wc -l", "0"); /* never half-written */
    expect(place, true, "broch support --out /tmp/s.tar; echo =$?; rm /tmp/s.tar", "=0");
    expect(place, true, "rm /var/fill; echo x >/var/tmp/x && rm /var/tmp/x && echo wri''tten",
           "written");
}

static void check_screen(struct place *place)
{
    assert_int_equal(vm_type(place->vm, "broch screen\n", &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "broch  ready", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, fixture_manifest.name, PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "DEVELOPMENT IMAGE", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, "q", &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, ":~$ ", PATIENCE_NS, &place->f), 0);
    expect(place, false, "echo go''ing on", "going on");
}

static void test_running_machine(void **state)
{
    struct place *place = *state;

    boot(place);
    check_places(place);
    check_greeting(place);
    check_showing(place);
    check_commands(place);
    check_a_bad_layer(place);
    check_applying(place);
    check_a_start_with_a_bad_layer(place);
    check_metrics(place);
    check_support(place);
    check_a_full_var(place);
    check_screen(place);
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
