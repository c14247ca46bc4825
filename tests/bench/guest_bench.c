/* Figures of the running system, measured in a guest: how long a killed program stays away under
 * our supervisor, runit and systemd; how often an idle machine wakes up; how much memory it takes.
 * Prints logfmt lines, which tests/bench/guest.py words. A cmocka program because the fixture of
 * the VM tests is one; nothing here judges a time.
 *
 * BROCH_PEERS names an EROFS image with runit and systemd; see guest.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "../vm/fixture.h"

#define KILLS "50"

/* The peers' image, writable through an overlay, and the probe beside it. */
static const char prepare[] =
    "mkdir -p /run/peer/lower /run/peer/rw /run/peer/root && "
    "mount -t erofs -o ro /dev/vdb /run/peer/lower && "
    "mount -t tmpfs -o mode=0755 peer /run/peer/rw && mkdir /run/peer/rw/up /run/peer/rw/work && "
    "mount -t overlay -o lowerdir=/run/peer/lower,upperdir=/run/peer/rw/up,"
    "workdir=/run/peer/rw/work peer /run/peer/root && "
    "cp /run/peer/lower/restart_probe /run/probe && chmod 0755 /run/probe && echo PREPARED";

/* Our own: a service of the machine as a person would write it, of level
 * system: a strict one runs nothing that is not in the image. */
static const char broch[] =
    "mkdir -p /etc/broch/services && printf '%s\\n' 'name = \"probe\"' 'description = \"a probe\"' "
    "'run = [\"/run/probe\", \"run\", \"/run/probe.broch\"]' 'user = \"root\"' "
    "'[ready]' 'kind = \"notify\"' '[restart]' 'burst = 100' "
    "'[confine]' 'level = \"system\"' 'reason = \"measures the supervisor\"' "
    "> /etc/broch/services/probe.toml && touch /run/probe.broch && broch service reload && "
    "/run/probe measure /run/probe.broch " KILLS;

static const char runit[] =
    "mkdir -p /run/runit/probe && printf '#!/bin/sh\\nexec /run/probe run /run/probe.runit\\n' "
    "> /run/runit/probe/run && chmod 0755 /run/runit/probe/run && touch /run/probe.runit && "
    "(/run/peer/lower/usr/bin/runsv /run/runit/probe < /dev/null > /dev/null 2>&1 &) ; "
    "/run/probe measure /run/probe.runit " KILLS "; "
    "/run/peer/lower/usr/bin/sv force-shutdown /run/runit/probe > /dev/null";

/* systemd as PID 1 of a container of its own. Its default is to wait for 100 ms before a restart;
 * it is told not to. */
static const char systemd[] =
    "cp /run/probe /run/peer/root/probe && touch /run/peer/root/last && "
    "printf '[Unit]\\nDefaultDependencies=no\\nStartLimitIntervalSec=0\\n[Service]\\n"
    "ExecStart=/probe run /last\\nRestart=always\\nRestartSec=0\\n' "
    "> /run/peer/root/etc/systemd/system/probe.service && "
    "mkdir -p /sys/fs/cgroup/peer && (echo 0 > /sys/fs/cgroup/peer/cgroup.procs && "
    "exec unshare --cgroup --pid --mount --fork --kill-child sh -c '"
    "mount --make-rprivate / && mount --bind /run/peer/root /run/peer/root && cd /run/peer/root && "
    "mount -t proc proc proc && mount -t sysfs sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup "
    "&& "
    "mount --rbind /dev dev && mount -t tmpfs run run && mkdir run/old && pivot_root . run/old && "
    "container=other exec chroot . /lib/systemd/systemd --unit=probe.service "
    "' < /dev/null > /run/systemd.log 2>&1 &) ; "
    "until p=$(pgrep -x systemd); do sleep 0.1; done; "
    "nsenter --target $p --pid --mount --root /probe measure /last " KILLS;

/* Voluntary context switches of each process but this shell, in 20 s without anything to do; a
 * process that slept all the time has none. Programs of the kernel have no VmRSS and do not count.
 */
static const char wakeups[] =
    "snap() { for p in /proc/[0-9]*; do awk -v p=${p#/proc/} '/^Name/{n=$2} /^VmRSS/{u=1} "
    "/^voluntary/{v=$2} END{if(u) print p, n, v}' $p/status 2> /dev/null; done | sort; }; "
    /* What devices asked for is loaded in the first minute. */
    "sleep 60; snap > /run/a; sleep 20; snap > /run/b; join /run/a /run/b | "
    "awk -v me=$$ '$1 != me && $5 > $3 {print \"wakeup \" $2 \"=\" $5 - $3; n += $5 - $3} "
    "END{print \"total=\" n + 0}'";

/* Memory of all programs, each shared page counted once (Pss), and what supervision itself takes
 * for one service: private pages of its supervisor and its logger. */
static const char memory[] =

    "private() { for p in $(pgrep -x $1); do awk '/^Private_/{n += $2} END{print n + 0}' "
    "/proc/$p/smaps_rollup; done | sort -n | awk '{v[NR] = $1} END{print v[int((NR + 1) / 2)]}'; "
    "}; "
    "echo pss_kib=$(cat /proc/[0-9]*/smaps_rollup 2> /dev/null | awk '/^Pss:/{n += $2} END{print "
    "n}') "
    "used_kib=$(awk '/^MemTotal/{t=$2} /^MemAvailable/{a=$2} END{print t - a}' /proc/meminfo) "
    "supervise_kib=$(private s6-supervise) log_kib=$(private s6-log)";

/* When each service was ready, and how long after the supervisor was told to start it: from the
 * list of events. Services that start side by side share one processor. */
static const char services[] =
    "sed -n 's/.*\"us\":\\([0-9]*\\),\"event\":\"state\",\"service\":\"\\([^\"]*\\)\",\"from\":"
    "\"[^\"]*\",\"to\":\"\\([^\"]*\\)\".*/\\1 \\2 \\3/p' /run/broch/events.jsonl | "
    "awk '$3 == \"starting\" && !($2 in s) {s[$2] = $1} ($3 == \"ready\" || $3 == \"done\") && "
    "!($2 in r) {r[$2] = $1; print \"name=\" $2 \" us=\" $1 \" cost=\" $1 - s[$2]}'";

static void print_row(const char *name, const char *output)
{
    const char *row = strstr(output, "p50=");

    if (!row)
        fail_msg("%s: no figures: %s", name, output);
    (void)printf("restart supervisor=%s %.*s\n", name, (int)strcspn(row, "\r\n"), row);
}

static void measure(struct place *place, const char *name, const char *command)
{
    _cleanup_free_ char *output = as_root(place, command);

    print_row(name, output);
}

/* Virtual time: the same whatever else the host does, and 20 s of sleep cost nothing. */
static void start_guest(struct place *place)
{
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    place->config.disks[1] =
        (struct vm_disk){ .path = getenv("BROCH_PEERS"), .format = VM_DISK_RAW, .read_only = true };
    place->config.icount = true;
    start(place);
    (void)expect_ready(place);
    login(place);
}

/* Prints the lines of the output that have a '='. */
static void print_lines(const char *name, const char *output)
{
    while (*output) {
        size_t length = strcspn(output, "\r\n");

        if (memchr(output, '=', length))
            (void)printf("%s %.*s\n", name, (int)length, output);
        output += length;
        output += strspn(output, "\r\n");
    }
}

static void test_idle(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *started = NULL, *taken = NULL, *woken = NULL;

    start_guest(place);
    started = as_root(place, services);
    print_lines("service", started);
    taken = as_root(place, memory);
    print_lines("memory", taken);
    woken = as_root(place, wakeups);
    print_lines("idle", woken);
}

static void test_restart(void **state)
{
    struct place *place = *state;
    _cleanup_free_ char *prepared = NULL;

    start_guest(place);
    prepared = as_root(place, prepare);
    assert_non_null(strstr(prepared, "PREPARED"));
    measure(place, "broch", broch);
    measure(place, "runit", runit);
    measure(place, "systemd", systemd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_idle, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_restart, place_setup, place_teardown),
    };

    if (!getenv("BROCH_PEERS")) {
        (void)fprintf(stderr, "BROCH_PEERS must name the image of the peers\n");
        return 2;
    }
    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
