#include "update/trial.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "sys/lockfile.h"

#define OLD      "v1-node-x86_64"
#define NEW      "v2-node-x86_64"
#define ID       "00000000-0000-4000-8000-000000000001" /* of the start that ordered a trial */
#define OTHER_ID "00000000-0000-4000-8000-000000000002"
#define REASON   "slot=B BR-UPDATE-CHECK service 'x' is not ready"

static struct trial begun(void)
{
    struct trial t = TRIAL_INIT;

    trial_begin(&t, 'B', NEW, ID);
    return t;
}

static struct trial_boot start(char slot, const char *generation, const char *reason)
{
    return (struct trial_boot){
        .slot = slot,
        .generation = generation,
        .confirmed = slot == 'A',
        .remembers = true,
        .reason = reason,
        .id = OTHER_ID,
        .crash = "",
    };
}

static void test_judged_in_its_slot(void **state)
{
    struct trial t = begun();
    struct trial_boot boot = start('B', NEW, "");

    (void)state;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE);
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE); /* a power cut while it is judged */
    trial_end(&t, NULL);
    assert_false(t.pending);
    assert_int_equal(t.last, TRIAL_GOOD);
    assert_false(trial_is_refused(&t, NEW));
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
}

static void test_bad_is_remembered(void **state)
{
    struct trial t = begun();

    (void)state;
    trial_end(&t, REASON);
    assert_int_equal(t.last, TRIAL_FAILED);
    assert_string_equal(t.last_reason, REASON);
    assert_string_equal(t.last_generation, NEW);
    assert_true(trial_is_refused(&t, NEW));
    trial_forgive(&t, NEW);
    assert_false(trial_is_refused(&t, NEW));
}

/* Stage 1 of the slot under trial left a reason: failed. One about the old slot says nothing. */
static void test_back_with_a_reason(void **state)
{
    struct trial t = begun();
    struct trial_boot boot = start('A', OLD, REASON);

    (void)state;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_false(t.pending);
    assert_int_equal(t.last, TRIAL_FAILED);
    assert_true(trial_is_refused(&t, NEW));
    t = begun();
    boot = start('A', OLD, "slot=A BR-BOOT-VERITY long ago");
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_RETRY);
}

static void test_interrupted(void **state)
{
    struct trial t = begun();
    struct trial_boot boot = start('A', OLD, "");

    (void)state;
    for (unsigned i = 1; i < TRIAL_TRIES_MAX; i++) {
        static const char *const ids[] = { "", "first", "second" };

        boot.id = ids[i];
        assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_RETRY);
        assert_true(t.pending);
        assert_int_equal(t.tries, i + 1);
    }
    boot.id = "third";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_false(t.pending);
    assert_true(trial_is_refused(&t, NEW));
    assert_int_equal(t.last, TRIAL_FAILED);
    t = begun();
    boot.id = ""; /* which start this is cannot be told: it may be the one that ordered the trial */
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_true(t.pending);
    assert_int_equal(t.tries, 1);
}

/* The state is on a disk that this start did not open. */
static void test_without_memory(void **state)
{
    struct trial t = TRIAL_INIT;
    struct trial_boot boot = start('B', NEW, "");

    (void)state;
    boot.remembers = false;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE);
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE);
    assert_string_equal(t.generation, NEW);
    trial_end(&t, REASON);
    assert_string_equal(t.last_generation, NEW);
    /* One about this slot itself is of an earlier trial. */
    t = (struct trial)TRIAL_INIT;
    boot.reason = REASON;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE);
    /* The confirmed slot failed: going back would lead nowhere. */
    t = (struct trial)TRIAL_INIT;
    boot.reason = "slot=A BR-BOOT-VERITY step=image";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    boot = start('A', OLD, REASON);
    boot.remembers = false;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_false(t.pending);
}

static void test_boot_id(void **state)
{
    char id[TRIAL_BOOT_SIZE], again[TRIAL_BOOT_SIZE];

    (void)state;
    trial_boot_id(id);
    trial_boot_id(again);
    assert_int_equal(strlen(id), TRIAL_BOOT_SIZE - 1);
    assert_string_equal(id, again);
}

/* Ordered without a restart, or once more: in the same start there is nothing to say of it, even
 * where an older panic could be taken for its end. */
static void test_not_started_yet(void **state)
{
    struct trial t = begun(), before = t;
    struct trial_boot boot = start('A', OLD, "");

    (void)state;
    boot.id = ID;
    boot.crash = "BR-UPDATE-PANIC of the start before";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_memory_equal(&t, &before, sizeof(t));
    /* A file of an older version does not say where it was ordered. */
    t.ordered[0] = '\0';
    boot.crash = "";
    boot.id = OTHER_ID;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_RETRY);
}

/* A panic and a bite are failures, told with their own code, and not tried again; what stage 1 or
 * the verdict of that slot says is closer. */
static void test_back_after_a_crash(void **state)
{
    struct trial t = begun(), u = begun();
    struct trial_boot boot = start('A', OLD, "");

    (void)state;
    boot.crash = "BR-UPDATE-PANIC sysrq triggered crash";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_false(t.pending);
    assert_int_equal(t.last, TRIAL_FAILED);
    assert_string_equal(t.last_reason, "slot=B BR-UPDATE-PANIC sysrq triggered crash");
    assert_true(trial_is_refused(&t, NEW));
    boot.reason = REASON;
    assert_int_equal(trial_decide(&u, &boot), TRIAL_ACT_NOTHING);
    assert_string_equal(u.last_reason, REASON);
    /* A reason about this slot says nothing about the other one. */
    u = begun();
    boot.reason = "slot=A BR-BOOT-VERITY step=verity x";
    assert_int_equal(trial_decide(&u, &boot), TRIAL_ACT_NOTHING);
    assert_string_equal(u.last_reason, t.last_reason);
    /* Where no trial is pending, it is nobody's. */
    t = (struct trial)TRIAL_INIT;
    boot = start('A', OLD, "");
    boot.crash = "BR-UPDATE-WATCHDOG x";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_int_equal(t.last, TRIAL_NONE);
}

/* The confirmed slot failed long after it was confirmed. */
static void test_fell_back(void **state)
{
    struct trial t = TRIAL_INIT;
    struct trial_boot boot = start('B', OLD, "slot=A BR-BOOT-VERITY a bad block");

    (void)state;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_CONFIRM);
    assert_int_equal(t.last, TRIAL_FELL_BACK);
    assert_int_equal(t.last_slot, 'A');
    assert_int_equal(t.refused_count, 0);
    /* Chosen in the firmware's menu: nothing failed. */
    boot.reason = "";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    boot.reason = "slot=B about itself";
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
}

/* Somebody wrote another generation into the slot: what is pending is about something gone. */
static void test_other_generation(void **state)
{
    struct trial t = begun();
    struct trial_boot boot = start('B', "v3-node-x86_64", "");

    (void)state;
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_false(t.pending);
}

static void assert_round_trip(const struct trial *t)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct trial again;

    assert_int_equal(trial_format(t, &text), 0);
    assert_int_equal(trial_parse(text.data, text.length, &again, &f), 0);
    assert_int_equal(again.pending, t->pending);
    assert_int_equal(again.last, t->last);
    assert_string_equal(again.last_reason, t->last_reason);
    assert_int_equal(again.refused_count, t->refused_count);
    for (size_t i = 0; i < t->refused_count; i++)
        assert_string_equal(again.refused[i], t->refused[i]);
    if (t->pending) {
        assert_int_equal(again.slot, t->slot);
        assert_int_equal(again.tries, t->tries);
        assert_string_equal(again.generation, t->generation);
    }
    /* Nothing but the whole. */
    for (size_t size = 0; size + 2 < text.length; size++)
        assert_int_equal(trial_parse(text.data, size, &again, &f), -EBADMSG);
}

/* Going back to what the other slot holds: nobody knows its name before it runs, and it has to
 * prove itself like any other. */
static void test_chosen(void **state)
{
    struct trial t = TRIAL_INIT;
    struct trial_boot boot = start('B', OLD, "");

    (void)state;
    trial_begin(&t, 'B', "", ID);
    assert_round_trip(&t);
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_JUDGE);
    trial_end(&t, NULL);
    assert_int_equal(t.last, TRIAL_GOOD);
    assert_string_equal(t.last_generation, OLD);
    trial_begin(&t, 'B', "", ID);
    boot = start('A', NEW, REASON);
    assert_int_equal(trial_decide(&t, &boot), TRIAL_ACT_NOTHING);
    assert_int_equal(t.last, TRIAL_FAILED);
    assert_int_equal(t.refused_count, 0); /* it has no name to be refused by */
}

static void test_refused_is_bounded(void **state)
{
    struct trial t = TRIAL_INIT;
    char name[] = "v00-node-x86_64";

    (void)state;
    for (unsigned i = 0; i <= TRIAL_REFUSED_MAX; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        trial_refuse(&t, name);
        trial_refuse(&t, name);
    }
    assert_int_equal(t.refused_count, TRIAL_REFUSED_MAX);
    assert_false(trial_is_refused(&t, "v00-node-x86_64"));
    assert_true(trial_is_refused(&t, name));
}

/* Two programs change the state. Each of these processes adds one name to what it reads; without
 * the lock they read the same state, and all but one name would be lost. */
static void test_lock(void **state)
{
    enum { PROCESSES = 8 };
    char folder[] = "/tmp/broch-trial-XXXXXX";
    _cleanup_free_ char *path = NULL, *lock = NULL;
    struct failure f = FAILURE_NONE;
    struct trial t = TRIAL_INIT;
    pid_t pids[PROCESSES];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = text_make("%s/state.json", folder);
    lock = text_make("%s/lock", folder);
    for (unsigned i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            char name[] = "v0";

            name[1] = (char)('0' + i);
            if (trial_take(path, lock, &t, &fd, &f) < 0)
                _exit(1);
            (void)poll(NULL, 0, 20); /* what the others would use */
            trial_refuse(&t, name);
            _exit(trial_write(path, &t, &f) < 0);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(trial_take(path, lock, &t, &fd, &f), 0);
    assert_int_equal(t.refused_count, PROCESSES);
    (void)close(fd);
    /* A state that cannot be read keeps nobody else out. */
    assert_int_equal(file_write(path, "x", 1, 0600, &f), 0);
    assert_int_equal(trial_take(path, lock, &t, &fd, &f), -EBADMSG);
    assert_int_equal(lockfile_take(lock, false, &fd, &f), 0);
    (void)close(fd);
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

static void test_file(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"schema\": 2, \"trial\": null, \"last\": null, \"refused\": []}",
        "{\"schema\": 1, \"trial\": {\"slot\":\"C\",\"tries\":1,\"generation\":\"x\"}, \"last\": "
        "null, \"refused\": []}",
        "{\"schema\": 1, \"trial\": {\"slot\":\"B\",\"tries\":9,\"generation\":\"x\"}, \"last\": "
        "null, \"refused\": []}",
        "{\"schema\": 1, \"trial\": null, \"last\": null, \"refused\": [1]}"
    };
    struct trial t = TRIAL_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_round_trip(&t);
    trial_begin(&t, 'B', NEW, ID);
    assert_round_trip(&t);
    trial_end(&t, "slot=B \"quoted\" \\ reason");
    trial_refuse(&t, OLD);
    assert_round_trip(&t);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(trial_parse(bad[i], strlen(bad[i]), &t, &f), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged_in_its_slot),
        cmocka_unit_test(test_bad_is_remembered),
        cmocka_unit_test(test_back_with_a_reason),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_not_started_yet),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_boot_id),
        cmocka_unit_test(test_back_after_a_crash),
        cmocka_unit_test(test_fell_back),
        cmocka_unit_test(test_other_generation),
        cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_refused_is_bounded),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
