/* Trials that end badly, on a machine with firmware, Secure Boot and TPM: what each of them says
 * afterwards. The machine's own check waits for a word, so that a trial stays pending until this
 * test decides how it ends. BROCH_SOAK=1 runs every row, else a sample. docs/update-matrix.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "offered.h"

#define CHECK_FILE "/var/lib/broch/checks/judge"
#define WORD_FILE  "/run/word"
#define FEEDER     "kill -STOP $(s6-svstat -o pid /run/service/watchdog)"
#define GOVERNOR   "/sys/class/watchdog/watchdog0/pretimeout_governor"

/* Ends with the number that somebody writes into WORD_FILE of this start. */
static const char make_check[] =
    "mkdir -p $(dirname " CHECK_FILE "); printf '#!/bin/sh\\nuntil [ -s " WORD_FILE
    " ]; do sleep 1; done\\nexit $(cat " WORD_FILE ")\\n' >" CHECK_FILE "; chmod 755 " CHECK_FILE
    "; sync";

/* One of the offered release's. */
static const struct row {
    const char *name;
    const char *inside; /* done to the machine while the trial is pending */
    const char *status; /* what the former slot then says */
    unsigned watchdogs; /* bites that the virtual machine saw */
    bool soak;
} rows[] = {
    { "panic", "echo c >/proc/sysrq-trigger", "failed: slot=B BR-UPDATE-PANIC sysrq", 0, false },
    { "check fails", "echo 3 >" WORD_FILE,
      "failed: slot=B BR-UPDATE-CHECK check 'judge' ended with 3", 0, true },
    /* Nobody feeds the watchdog: the kernel panics before it bites, and says why. */
    { "hang", FEEDER, "failed: slot=B BR-UPDATE-PANIC watchdog pretimeout event", 0, true },
    /* The same without those last words, as where the kernel hangs as well. */
    { "bite", "echo noop >" GOVERNOR "; " FEEDER, "failed: slot=B BR-UPDATE-BITE", 1, true },
};

static void boot(struct place *place, const char *slot)
{
    const char *ready = expect_ready(place);

    if (!strstr(ready, slot))
        fail_msg("expected %s: %s", slot, ready);
    login(place);
}

/* To a pending trial in slot B, and into it. */
static void begin_trial(struct place *place, const char *server)
{
    offered_await_network(place);
    offered_apply(place, server, "--force --no-reboot");
    await_as(place, false, "cat " OFFERED_LOG, "system.erofs done", true);
    await_as(place, false, "cat " OFFERED_LOG, "status=10", true);
    free(as_root(place, "broch reboot"));
    boot(place, "slot=B");
    expect(place, true, "broch update status", ", on trial");
    expect(place, true, "broch update status", "pending:  v99.0.0-node-x86_64 in slot B");
}

/* Typed without waiting for an answer, which there may not be. */
static void do_inside(struct place *place, const char *command)
{
    _cleanup_free_ char *line = text_make("(sleep 2; %s) >/dev/null 2>&1 </dev/null &", command);

    assert_non_null(line);
    free(as_root(place, line));
}

static void test_bad_trials(void **state)
{
    struct place *place = *state;
    const char *server;
    unsigned watchdogs = 0;

    offered_prepare();
    server = test_server_start(offered_answers);
    place->config.network = VM_NETWORK_USER;
    /* i6300esb is the only watchdog: the chipset's is strapped to restart nothing. */
    place->config.extra[0] = "-global";
    place->config.extra[1] = "ICH9-LPC.noreboot=on";
    start(place);
    boot(place, "slot=A");
    free(as_root(place, make_check));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].soak && !getenv("BROCH_SOAK"))
            continue;
        print_message("%s\n", rows[i].name);
        begin_trial(place, server);
        do_inside(place, rows[i].inside);
        boot(place, "slot=A");
        await_as(place, true, "broch update status", rows[i].status, true);
        expect(place, true, "broch update status", "refused:  v99.0.0-node-x86_64");
        expect_not(place, true, "broch update status", "pending:");
        watchdogs += rows[i].watchdogs;
        assert_int_equal(vm_counts(place->vm).watchdogs, watchdogs);
    }
    /* It is not taken again unless told to. */
    offered_await_network(place);
    offered_apply(place, server, "");
    await_as(place, false, "cat " OFFERED_LOG, "status=11", true);
    expect(place, false, "cat " OFFERED_LOG, "BR-UPDATE-REFUSED");
    (void)test_server_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_trials, place_setup, place_teardown),
    };

    if (getenv("BROCH_TEST"))
        cmocka_set_test_filter(getenv("BROCH_TEST"));
    return cmocka_run_group_tests(tests, offered_start, NULL);
}
