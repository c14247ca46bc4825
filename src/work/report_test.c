#include "work/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/number.h"

static struct supervise s;
static const struct report_names names = {
    .names = { "alpha", "beta", "gamma" },
    .off = { NULL, "it is disabled" },
};

/* One service in a state, and the sentence for it. */
struct example {
    struct supervise_service service;
    const char *wanted;
};

#define HUNG(state_)                                                                               \
    .state = (state_), .cause = SUPERVISE_BECAUSE_HUNG, .rules.ready_within_ns = 30 * NS_PER_S
#define DIED(state_)                                                                               \
    .state = (state_), .cause = SUPERVISE_BECAUSE_ENDED, .last_end = SNAPSHOT_END_SIGNAL,          \
    .last_code = 9

static void test_sentences(void **state)
{
    static const struct example examples[] = {
        { { .state = SNAPSHOT_OFF }, "its condition is not met" },
        { { .state = SNAPSHOT_WAITING, .rules.needs = 6 },
          "waits for 'beta' (failed), 'gamma' (waiting)" },
        { { DIED(SNAPSHOT_WAITING), .rules.needs = 2 },
          "ended by signal 9, waits for 'beta' (failed)" },
        { { .state = SNAPSHOT_WAITING, .supervised = true, .status.pid = 7 },
          "waits for the end of its last process" },
        { { .state = SNAPSHOT_WAITING }, "waits for its supervisor" },
        { { .state = SNAPSHOT_STARTING }, "" },
        { { HUNG(SNAPSHOT_STARTING) }, "was not ready within 30 s, starts again" },
        { { DIED(SNAPSHOT_STARTING) }, "ended by signal 9, starts again" },
        { { .state = SNAPSHOT_UP }, "" },
        { { .state = SNAPSHOT_READY }, "" },
        { { .state = SNAPSHOT_DONE, .cause = SUPERVISE_BECAUSE_ENDED }, "" },
        { { HUNG(SNAPSHOT_STOPPING) }, "was not ready within 30 s" },
        { { .state = SNAPSHOT_STOPPING, .cause = SUPERVISE_BECAUSE_ASKED }, "" },
        { { .state = SNAPSHOT_DOWN, .cause = SUPERVISE_BECAUSE_ASKED }, "stopped by request" },
        { { .state = SNAPSHOT_DOWN,
            .cause = SUPERVISE_BECAUSE_ENDED,
            .last_end = SNAPSHOT_END_EXIT },
          "ended with exit code 0" },
        { { DIED(SNAPSHOT_BACKOFF), .since_ns = NS_PER_S, .deadline_ns = 5 * NS_PER_S, .attempt = 3,
            .rules.attempts = 8 },
          "ended by signal 9, waits 4 s before attempt 3 of 8" },
        { { DIED(SNAPSHOT_FAILED), .restarts = 13 },
          "ended by signal 9, given up after 13 restarts" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        struct snapshot_service got = { .name = "alpha" };

        supervise_init(&s);
        s.services[0] = examples[i].service;
        s.services[1] = (struct supervise_service){ .used = true, .state = SNAPSHOT_FAILED };
        s.services[2] = (struct supervise_service){ .used = true, .state = SNAPSHOT_WAITING };
        report_service(&s, 0, &names, &got);
        assert_string_equal(got.reason, examples[i].wanted);
        assert_int_equal(got.state, examples[i].service.state);
        assert_string_equal(got.name, "alpha");
    }
}

static void test_numbers(void **state)
{
    struct snapshot_service got = { .line_count = 2 };

    supervise_init(&s);
    s.services[1] = (struct supervise_service){ .state = SNAPSHOT_OFF,
                                                .since_ns = 7000,
                                                .restarts = 3,
                                                .last_end = SNAPSHOT_END_EXIT,
                                                .last_code = 2,
                                                .status.pid = 12 };
    report_service(&s, 1, &names, &got);
    assert_string_equal(got.reason, "it is disabled");
    assert_int_equal(got.since_us, 7);
    assert_int_equal(got.restarts, 3);
    assert_int_equal(got.last_code, 2);
    assert_int_equal(got.pid, 12);
    assert_int_equal(got.line_count, 0); /* only a failed service shows its last lines */
}

/* What was known before a restart of the orchestrator is not lost. */
static void test_adopted(void **state)
{
    struct snapshot_service got = { .state = SNAPSHOT_FAILED,
                                    .reason = "ended by signal 9, given up after 13 restarts",
                                    .line_count = 2 };

    supervise_init(&s);
    s.services[0] = (struct supervise_service){ .state = SNAPSHOT_FAILED };
    report_service(&s, 0, &names, &got);
    assert_string_equal(got.reason, "ended by signal 9, given up after 13 restarts");
    assert_int_equal(got.line_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_adopted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
