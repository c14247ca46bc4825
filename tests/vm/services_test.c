/* Services of a running machine: their order, their ends and restarts, what they may say, and who
 * may change them. Faulty ones are manifests of the machine's own, in /etc/broch/services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "fixture.h"
#include "sys/event.h"

#define AS_SYSTEM "[confine]\\nlevel = \"system\"\\nreason = \"a test\"\\n"

static int boot(void **state)
{
    struct place *place;

    if (place_setup(state) < 0)
        return -1;
    place = *state;
    use_direct(place, fixture_manifest.cmdline, artifact("system.erofs"));
    start(place);
    (void)expect_ready(place);
    login(place);
    return 0;
}

/* Writes a manifest whose program is a script for bash; `more` are further lines of TOML. */
static void write_manifest(struct place *place, const char *name, const char *script,
                           const char *more)
{
    _cleanup_free_ char *command =
        text_make("mkdir -p /etc/broch/services; printf '%%b' 'name = \"%s\"\\ndescription = \"a "
                  "test\"\\nuser = \"root\"\\nrequired = false\\nrun = [\"/usr/bin/bash\", \"-c\", "
                  "\"%s\"]\\n%s" AS_SYSTEM "' > /etc/broch/services/%s.toml; echo =$?",
                  name, script, more, name);

    expect(place, true, command, "=0");
}

static void reload(struct place *place)
{
    expect(place, true, "broch service reload; echo =$?", "=0");
}

static void await_state(struct place *place, const char *name, const char *state)
{
    _cleanup_free_ char *command = text_make("broch service status %s --json", name);
    _cleanup_free_ char *text = text_make("\"state\":\"%s\"", state);

    await_as(place, false, command, text, true);
}

/* What the snapshot says, as one JSON document. */
static json_object *snapshot(struct place *place)
{
    _cleanup_free_ char *output = run_inside(place, "cat /run/broch/services.json");
    const char *brace = strchr(output, '{');
    json_object *document = brace ? json_tokener_parse(brace) : NULL;

    if (!document)
        fail_msg("no snapshot: %s", output);
    return document;
}

static json_object *service_in(json_object *document, const char *name)
{
    json_object *list, *found;

    assert_true(json_object_object_get_ex(document, "services", &list));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *service = json_object_array_get_idx(list, i);

        if (json_object_object_get_ex(service, "name", &found) &&
            strcmp(json_object_get_string(found), name) == 0)
            return service;
    }
    fail_msg("there is no service '%s'", name);
    return NULL;
}

static int64_t pid_of(json_object *document, const char *name)
{
    json_object *pid;

    return json_object_object_get_ex(service_in(document, name), "pid", &pid)
               ? json_object_get_int64(pid)
               : 0;
}

/* A text of a service in the snapshot: its state, its reason. */
static const char *text_in(json_object *document, const char *name, const char *key)
{
    json_object *text;

    if (!json_object_object_get_ex(service_in(document, name), key, &text))
        fail_msg("'%s' has no '%s'", name, key);
    return json_object_get_string(text);
}

/* Those of the image that run on, and can be killed without taking the terminal away. */
static const char *const running[] = { "syslog",  "devices", "network",  "time",
                                       "metrics", "screen",  "watchdog", "console-tty2" };

/* Every service of the snapshot, not only those above. */
static void expect_same_pids(json_object *before, json_object *after, const char *but)
{
    json_object *list, *name;

    assert_true(json_object_object_get_ex(before, "services", &list));
    assert_true(json_object_array_length(list) > ARRAY_SIZE(running));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *text;

        assert_true(json_object_object_get_ex(json_object_array_get_idx(list, i), "name", &name));
        text = json_object_get_string(name);
        if ((!but || strcmp(text, but) != 0) && pid_of(before, text) != pid_of(after, text))
            fail_msg("'%s' has another process", text);
    }
}

/* The same, once the snapshot knows another process of the service, and that it is ready. A
 * snapshot of before the kill would say ready, too. */
static json_object *await_new_pid(struct place *place, json_object *before, const char *name)
{
    uint64_t deadline = event_now_ns() + PATIENCE_NS;

    for (;;) {
        json_object *after = snapshot(place);
        int64_t pid = pid_of(after, name);

        if (pid != 0 && pid != pid_of(before, name) &&
            strcmp(text_in(after, name, "state"), "ready") == 0)
            return after;
        json_object_put(after);
        if (event_now_ns() > deadline)
            fail_msg("'%s' did not come back", name);
    }
}

/* A service that starts a second one only when it says that it is ready, and not before. */
static void test_order(void **state)
{
    struct place *place = *state;

    write_manifest(place, "early",
                   "while [ ! -e /run/go ]; do sleep 0.1; done; echo >&3; exec sleep inf",
                   "[ready]\\nkind = \"notify\"\\nwithin = \"300s\"\\n");
    write_manifest(place, "late", "echo $EPOCHREALTIME > /run/late; exec sleep inf",
                   "needs = [\"early\"]\\n[ready]\\nkind = \"start\"\\n");
    reload(place);
    await_state(place, "early", "up");
    await_state(place, "late", "waiting");
    expect(place, false, "broch service status late", "early");
    expect_not(place, false, "ls /run/late 2>&1", "\n/run/late");
    expect(place, true, "touch /run/go; echo =$?", "=0");
    await_state(place, "early", "ready");
    await_state(place, "late", "ready");
    /* The log of events has them in the order in which they happened. */
    expect(place, false,
           "awk '/\"service\":\"early\".*\"to\":\"ready\"/ {early = NR} "
           "/\"service\":\"late\",\"from\":\"waiting\"/ {late = NR} "
           "END {print early && early < late ? \"in order\" : \"out of order\"}' "
           "/run/broch/events.jsonl",
           "\nin order");
    /* The image's own order: a need stands before whoever needs it. */
    expect(place, false,
           "awk '{n[$1] = NR} END{print n[\"syslog\"] < n[\"ready\"] && n[\"firewall\"] < "
           "n[\"network\"] ? \"in order\" : \"out of order\"}' /run/broch/order",
           "\nin order");
}

static void test_killed(void **state)
{
    struct place *place = *state;
    json_object *before = snapshot(place), *after;

    for (size_t i = 0; i < ARRAY_SIZE(running); i++) {
        _cleanup_free_ char *command =
            text_make("s6-svc -T 60000 -wR -k /run/service/%s; echo =$?", running[i]);

        expect(place, true, command, "=0");
        after = await_new_pid(place, before, running[i]);
        expect_same_pids(before, after, running[i]);
        json_object_put(before);
        before = after;
    }
    json_object_put(before);
    expect(place, false, "cat /proc/1/comm", "s6-svscan");
}

/* Its end is nobody else's: the services run on, and the new one knows them. */
static void test_orchestrator_killed(void **state)
{
    struct place *place = *state;
    json_object *before = snapshot(place), *after;

    expect(place, true,
           "grep -c 'started again' /run/broch/events.jsonl; "
           "s6-svc -T 60000 -wR -k /run/service/orchestrator; echo =$?",
           "\n0\n=0");
    await_as(place, false, "grep -c 'started again' /run/broch/events.jsonl", "\n1", true);
    after = snapshot(place);
    expect_same_pids(before, after, NULL);
    json_object_put(before);
    expect(place, true, "broch service restart time; echo =$?", "=0");
    before = await_new_pid(place, after, "time");
    expect_same_pids(after, before, "time");
    json_object_put(before);
    json_object_put(after);
}

static void test_crash_loop(void **state)
{
    struct place *place = *state;

    write_manifest(place, "crashing", "echo last words; exit 3",
                   "[ready]\\nkind = \"start\"\\n"
                   "[restart]\\nburst = 2\\nattempts = 1\\ndelay_max = \"1s\"\\n");
    write_manifest(place, "clumsy", "[ -e /run/once ] && exec sleep inf; touch /run/once; exit 3",
                   "[ready]\\nkind = \"start\"\\n");
    reload(place);
    await_state(place, "crashing", "failed");
    expect(place, false, "broch service status crashing --json", "last words");
    expect(place, false,
           "grep -c '\"service\":\"crashing\".*\"to\":\"backoff\"' /run/broch/events.jsonl", "\n1");
    await_state(place, "clumsy", "ready"); /* one end is no crash loop */
    /* A person may ask for another try. */
    expect(place, true, "broch service start crashing; echo =$?", "=0");
    await_state(place, "crashing", "failed");
}

static void test_hung(void **state)
{
    struct place *place = *state;
    json_object *document;

    write_manifest(place, "hung", "exec sleep inf",
                   "[ready]\\nkind = \"notify\"\\nwithin = \"1s\"\\n"
                   "[restart]\\nburst = 1\\nattempts = 0\\ndelay_max = \"1s\"\\n");
    write_manifest(place, "behind", "exec sleep inf",
                   "needs = [\"hung\"]\\n[ready]\\nkind = \"start\"\\n");
    reload(place);
    await_state(place, "hung", "failed");
    await_state(place, "behind", "waiting");
    document = snapshot(place);
    if (!strstr(text_in(document, "behind", "reason"), "hung"))
        fail_msg("the reason names nobody: %s", text_in(document, "behind", "reason"));
    assert_int_equal(pid_of(document, "behind"), 0);
    json_object_put(document);
    expect(place, false, "broch status", "hung");
}

/* Ten times what the log may keep, and the twin keeps all of its little. */
static void test_flood(void **state)
{
    struct place *place = *state;

    write_manifest(place, "loud",
                   "yes flooded by this line | head -c 10485760; echo END; exec sleep inf",
                   "[ready]\\nkind = \"start\"\\n[log]\\nsize = \"1MiB\"\\n");
    write_manifest(place, "quiet", "echo one line; exec sleep inf",
                   "[ready]\\nkind = \"start\"\\n");
    reload(place);
    await_as(place, true, "tail -n 1 /var/log/broch/loud/current", "END", true);
    expect(place, true,
           "s=$(du -sb /var/log/broch/loud | cut -f 1); "
           "[ $s -gt 100000 ] && [ $s -lt 1200000 ] && echo bounded || echo $s",
           "\nbounded");
    await_as(place, true, "broch logs quiet", "one line", true);
}

static void test_bad_manifest(void **state)
{
    struct place *place = *state;
    json_object *before = snapshot(place), *after;

    write_manifest(place, "wrong", "exec sleep inf", "[limits]\\nmemroy = \"1MiB\"\\n");
    expect(place, true, "broch service reload; echo =$?", "wrong.toml:7");
    expect(place, true, "broch service reload; echo =$?", "'memory'");
    expect(place, true, "broch service reload > /dev/null 2>&1; echo =$?", "=15");
    expect(place, false,
           "grep '\"event\":\"complaint\",\"service\":\"wrong\",\"code\":\"BR-SCHEMA\"' "
           "/run/broch/events.jsonl",
           "wrong.toml:7: unknown key 'memroy', did you mean 'memory'?");
    expect(place, false, "broch service status wrong; echo =$?", "BR-SERVICE-UNKNOWN");
    after = snapshot(place);
    expect_same_pids(before, after, NULL);
    json_object_put(before);
    json_object_put(after);
    write_manifest(place, "wrong", "exec sleep inf",
                   "[ready]\\nkind = \"start\"\\n[limits]\\nmemory = \"8MiB\"\\n");
    reload(place);
    await_state(place, "wrong", "ready");
    expect(place, true, "rm /etc/broch/services/wrong.toml; broch service reload",
           "wrong: removed");
    await_as(place, false, "broch service list", "wrong ", false);
}

static void test_requests(void **state)
{
    struct place *place = *state;

    static const char *const changes[] = { "restart time", "stop time", "start time", "reload" };
    json_object *before, *after;

    await_state(place, "firewall", "done"); /* of the reload before */
    before = snapshot(place);
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        _cleanup_free_ char *command = text_make("broch service %s", changes[i]);

        expect(place, false, command, "BR-PRIVILEGE");
    }
    after = snapshot(place);
    expect_same_pids(before, after, NULL);
    json_object_put(before);
    json_object_put(after);
    expect(place, true, "broch service restart tiem; echo =$?", "did you mean 'time'");
    expect(place, true, "broch service stop metrics; echo =$?", "=0");
    await_state(place, "metrics", "down");
    expect(place, true, "broch service start metrics; echo =$?", "=0");
    await_state(place, "metrics", "ready");
    expect(place, true, "broch service describe metrics", "broch-metrics (enforce)");
    expect(place, false, "broch service list", "metrics");
    expect(place, true, "broch logs -n 5 | wc -l", "\n5");
    expect(place, true, "broch logs --boot -1; echo =$?", "BR-LOG-BOOT");
    expect(place, true,
           "cd /run/broch && mv services.json away.json && broch logs orchestrator; echo =$?; "
           "mv away.json services.json",
           "=0");
    expect(place, true,
           "cd /run/broch && mv services.json away.json; broch logs time; "
           "mv away.json services.json",
           "BR-SNAPSHOT");
}

/* A manifest's ports are open as soon as it is read, and closed when it is gone. */
static void test_ports(void **state)
{
    static const char rules[] = "nft list chain inet broch input";
    struct place *place = *state;

    expect_not(place, true, rules, "18081");
    write_manifest(place, "serving", "exec sleep inf",
                   "[ready]\\nkind = \"start\"\\n[network]\\nmode = \"host\"\\n"
                   "listen = [\"tcp/18081\"]\\n");
    reload(place);
    await_as(place, true, rules, "tcp dport 18081 accept", true);
    expect(place, true, "rm /etc/broch/services/serving.toml; broch service reload; echo =$?",
           "=0");
    await_as(place, true, rules, "18081", false);
}

/* Connections that ask nothing and never go, by somebody who may ask for nothing: root is heard all
 * the same. */
static void test_silent_clients(void **state)
{
    static const char hold[] =
        "perl -MSocket -e 'for (1..40) { socket(my $s, AF_UNIX, SOCK_SEQPACKET, 0); "
        "connect($s, sockaddr_un(\"/run/broch/orchestrator.sock\")); push @all, $s } "
        "$| = 1; print \"held\"; sleep' > /tmp/held & "
        "until [ -s /tmp/held ] || ! kill -0 $!; do sleep 0.1; done; echo started";
    struct place *place = *state;

    expect(place, false, hold, "started");
    expect(place, true, "timeout 20 broch service restart time; echo =$?", "=0");
    await_state(place, "time", "ready");
    expect(place, false, "kill %1; echo =$?", "=0");
}

/* They go in reverse of their order, each after whoever needs it. */
static void test_shutdown(void **state)
{
    static const char *const lower[] = { "] lower ends" }, *const upper[] = { "] upper ends" };
    static const char trap[] = "trap \\\\\"echo %s ends > /dev/kmsg; exit 0\\\\\" TERM; echo >&3; "
                               "while :; do sleep 0.2; done";
    struct place *place = *state;
    _cleanup_free_ char *lower_script = text_make(trap, "lower");
    _cleanup_free_ char *upper_script = text_make(trap, "upper");
    struct vm_match match;
    enum vm_end_reason reason;
    const char *console;

    write_manifest(place, "lower", lower_script, "[ready]\\nkind = \"notify\"\\n");
    write_manifest(place, "upper", upper_script,
                   "needs = [\"lower\"]\\n[ready]\\nkind = \"notify\"\\n");
    reload(place);
    await_state(place, "upper", "ready");
    expect(place, true, "dmesg -n 7; echo =$?", "=0");
    assert_int_equal(vm_type(place->vm, "doas poweroff\n", &place->f), 0);
    assert_int_equal(vm_wait_prompt(place->vm, "assword", PATIENCE_NS, &place->f), 0);
    assert_int_equal(vm_type(place->vm, "broch\n", &place->f), 0);
    assert_int_equal(vm_wait_marker(place->vm, upper, 1, PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(vm_wait_marker(place->vm, lower, 1, PATIENCE_NS, &match, &place->f), 0);
    assert_int_equal(vm_wait_end(place->vm, PATIENCE_NS, &reason, &place->f), 0);
    assert_int_equal(reason, VM_END_POWEROFF);
    console = vm_console(place->vm);
    assert_true(strstr(console, "] upper ends") < strstr(console, "] lower ends"));
}

int main(void)
{
    /* One machine for all of them; the last one switches it off. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),       cmocka_unit_test(test_orchestrator_killed),
        cmocka_unit_test(test_order),        cmocka_unit_test(test_crash_loop),
        cmocka_unit_test(test_hung),         cmocka_unit_test(test_flood),
        cmocka_unit_test(test_bad_manifest), cmocka_unit_test(test_requests),
        cmocka_unit_test(test_ports),        cmocka_unit_test(test_silent_clients),
        cmocka_unit_test(test_shutdown),
    };
    const char *filter = getenv("BROCH_TEST");
    void *unused = NULL;

    if (filter)
        cmocka_set_test_filter(filter);
    return fixture_start(&unused) < 0 ? 1 : cmocka_run_group_tests(tests, boot, place_teardown);
}
