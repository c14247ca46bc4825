#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/status.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct status example = {
    .facts = { .generation = "v0.1.0-node-amd64",
               .profile = "node",
               .slot = "A",
               .verity = HASH,
               .secure_boot = "on",
               .tpm = "off" },
    .version = "v0.1.0-node-amd64",
    .channel = "development",
    .kernel = "6.12.0-amd64",
    .uptime_s = 3725,
    .ready = true,
    .ready_us = 2034567,
    .addresses = { "eth0 192.0.2.7/24", "eth0 2001:db8::7/64" },
    .address_count = 2,
    .now_us = 3725 * 1000000ull,
    .services = { .count = 4,
                  .services = { { .name = "watchdog",
                                  .state = SNAPSHOT_READY,
                                  .pid = 157,
                                  .since_us = 5 * 1000000,
                                  .required = true,
                                  .restarts = 2 },
                                { .name = "console-ttyS0",
                                  .state = SNAPSHOT_UP,
                                  .pid = 9,
                                  .since_us = 3721 * 1000000ull },
                                { .name = "web",
                                  .state = SNAPSHOT_FAILED,
                                  .since_us = 3664 * 1000000ull,
                                  .reason = "ended by signal 9, given up after 13 restarts",
                                  .lines = { "one", "two" },
                                  .line_count = 2 },
                                { .name = "other", .state = SNAPSHOT_OFF } } },
    .last_lines = { "fed", "" },
};

static const char table[] =
    "generation   v0.1.0-node-amd64\n"
    "profile      node\n"
    "version      v0.1.0-node-amd64\n"
    "slot         A\n"
    "secure boot  on\n"
    "TPM          off\n"
    "verity       " HASH "\n"
    "kernel       6.12.0-amd64\n"
    "channel      development\n"
    "state        volatile\n"
    "uptime       1 h 2 min\n"
    "ready        2.034 s after kernel start\n"
    "address      eth0 192.0.2.7/24\n"
    "             eth0 2001:db8::7/64\n"
    "\n"
    "SERVICE              STATE        PID  FOR          WHY, OR LAST WORDS\n"
    "watchdog             ready        157  1 h 2 min    fed\n"
    "console-ttyS0        up             9  4 s\n"
    "web                  failed         -  1 min 1 s    ended by signal 9, "
    "given up after 13 restarts\n"
    "    one\n"
    "    two\n"
    "other                off            -  1 h 2 min\n";

static void test_table(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    status_add_table(&example, false, &t);
    assert_string_equal(text_string(&t), table);
}

/* Colour adds escape sequences and changes nothing else. */
static void test_colour(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    char plain[sizeof(table) + 1];
    const char *p;
    size_t length = 0;

    status_add_table(&example, true, &t);
    assert_non_null(strstr(text_string(&t), "\033[33moff\033[0m"));
    for (p = text_string(&t); *p; p++) {
        if (*p == '\033')
            p = strchr(p, 'm');
        else
            plain[length++] = *p;
        assert_non_null(p);
        assert_true(length < sizeof(plain));
    }
    plain[length] = '\0';
    assert_string_equal(plain, table);
}

static void test_json(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    static struct status status;

    status = example;
    status.services.count = 1;
    status_add_json(&status, &t);
    assert_string_equal(text_string(&t), "{\n"
                                         "  \"generation\":\"v0.1.0-node-amd64\",\n"
                                         "  \"profile\":\"node\",\n"
                                         "  \"version\":\"v0.1.0-node-amd64\",\n"
                                         "  \"slot\":\"A\",\n"
                                         "  \"secureboot\":\"on\",\n"
                                         "  \"tpm\":\"off\",\n"
                                         "  \"verity\":\"" HASH "\",\n"
                                         "  \"kernel\":\"6.12.0-amd64\",\n"
                                         "  \"channel\":\"development\",\n"
                                         "  \"state\":\"volatile\",\n"
                                         "  \"recovery\":null,\n"
                                         "  \"uptime_s\":3725,\n"
                                         "  \"ready_us\":2034567,\n"
                                         "  \"trial\":null,\n"
                                         "  \"last_trial\":null,\n"
                                         "  \"last_failure\":null,\n"
                                         "  \"panic\":null,\n"
                                         "  \"addresses\":[\n"
                                         "    \"eth0 192.0.2.7/24\",\n"
                                         "    \"eth0 2001:db8::7/64\"\n"
                                         "  ],\n"
                                         "  \"services\":[\n"
                                         "    {\n"
                                         "      \"name\":\"watchdog\",\n"
                                         "      \"state\":\"ready\",\n"
                                         "      \"pid\":157,\n"
                                         "      \"since_s\":3720,\n"
                                         "      \"required\":true,\n"
                                         "      \"restarts\":2,\n"
                                         "      \"reason\":\"\",\n"
                                         "      \"last_line\":\"fed\"\n"
                                         "    }\n"
                                         "  ]\n"
                                         "}\n");
}

static void test_json_of_the_unknown(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    static struct status status;

    status = example;
    status.ready = false;
    status.persistent = true;
    status_add_json(&status, &t);
    assert_int_equal(text_status(&t), 0);
    assert_non_null(strstr(text_string(&t), "\"ready_us\":null"));
    assert_non_null(strstr(text_string(&t), "\"state\":\"persistent\""));
    assert_non_null(strstr(text_string(&t), "\"pid\":null,\n      \"since_s\":61"));
}

static void test_recovery(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    static struct status status;

    status = example;
    status.facts.persist_open = true;
    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "recovery key unconfirmed: type it back"));
    text_clear(&t);
    status_add_json(&status, &t);
    assert_non_null(strstr(text_string(&t), "\"recovery\":\"unconfirmed\""));
    status.confirmed = true;
    text_clear(&t);
    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "recovery key confirmed\n"));
    text_clear(&t);
    status_add_json(&status, &t);
    assert_non_null(strstr(text_string(&t), "\"recovery\":\"confirmed\""));
}

static const struct trial pending = {
    .pending = true, .slot = 'B', .generation = "v0.2.0-node-x86_64", .tries = 2
};

static const struct trial failed = { .last = TRIAL_FAILED,
                                     .last_slot = 'B',
                                     .last_generation = "v0.2.0-node-x86_64",
                                     .last_reason = "slot=B BR-UPDATE-CHECK why" };

static void test_trials(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT, json = TEXT_INIT;
    static struct status status;

    status = example;
    status.trial = pending;
    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "slot         A\n"
                                            "trial        slot B, v0.2.0-node-x86_64, start 2 of "
                                            "3\n"));
    assert_null(strstr(text_string(&t), "last failure"));
    status_add_json(&status, &json);
    assert_non_null(strstr(text_string(&json), "\"trial\":{\n    \"slot\":\"B\",\n"
                                               "    \"generation\":\"v0.2.0-node-x86_64\",\n"
                                               "    \"tries\":2\n  },\n"));
    status.trial = failed;
    text_clear(&t);
    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "trial        failed, slot B, v0.2.0-node-x86_64\n"
                                            "last failure slot=B BR-UPDATE-CHECK why\n"));
    text_clear(&json);
    status_add_json(&status, &json);
    assert_non_null(strstr(text_string(&json), "\"trial\":null,\n  \"last_trial\":{\n"
                                               "    \"result\":\"failed\",\n"));
    assert_non_null(
        strstr(text_string(&json), "\"last_failure\":\"slot=B BR-UPDATE-CHECK why\",\n"));
}

/* What this boot found comes before what is kept, and a good trial is no failure. */
static void test_last_failure(void **state)
{
    static struct status status;

    status = example;
    assert_null(status_last_failure(&status));
    status.trial = failed;
    assert_string_equal(status_last_failure(&status), "slot=B BR-UPDATE-CHECK why");
    (void)snprintf(status.facts.last_failure, sizeof(status.facts.last_failure),
                   "slot=A BR-BOOT-VERITY a bad block");
    assert_string_equal(status_last_failure(&status), "slot=A BR-BOOT-VERITY a bad block");
    status.facts.last_failure[0] = '\0';
    status.trial.last = TRIAL_GOOD;
    assert_null(status_last_failure(&status));
}

static void test_panic(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT, json = TEXT_INIT;
    static struct status status;

    status = example;
    status_add_table(&status, false, &t);
    assert_null(strstr(text_string(&t), "panic"));
    (void)snprintf(status.panic, sizeof(status.panic), "dm-verity device corrupted");
    text_clear(&t);
    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "panic before dm-verity device corrupted\n"));
    status_add_json(&status, &json);
    assert_non_null(strstr(text_string(&json), "\"panic\":\"dm-verity device corrupted\",\n"));
}

static void test_not_ready(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    static const struct status status = { .channel = "stable" };

    status_add_table(&status, false, &t);
    assert_non_null(strstr(text_string(&t), "ready        not yet\n"));
    assert_null(strstr(text_string(&t), "SERVICE"));
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        { 0, "0 s" },          { 59, "59 s" },
        { 60, "1 min 0 s" },   { 3599, "59 min 59 s" },
        { 3600, "1 h 0 min" }, { 86399, "23 h 59 min" },
        { 86400, "1 d 0 h" },  { 90000000, "1041 d 16 h" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        status_add_duration(cases[i].seconds, &t);
        assert_string_equal(text_string(&t), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_colour),
        cmocka_unit_test(test_json),         cmocka_unit_test(test_json_of_the_unknown),
        cmocka_unit_test(test_not_ready),    cmocka_unit_test(test_durations),
        cmocka_unit_test(test_trials),       cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_last_failure), cmocka_unit_test(test_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
