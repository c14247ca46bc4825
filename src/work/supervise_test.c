#include "work/supervise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/rng.h"
#include "base/test_death.h"

enum { A, B, C };

static struct supervise s;
static struct supervise_effects out;
static uint64_t now_ns;

static const struct supervise_rules daemon_rules = {
    .required = true,
    .policy = SUPERVISE_ALWAYS,
    .ready_within_ns = 30 * NS_PER_S,
    .stop_within_ns = 5 * NS_PER_S,
    .burst = 3,
    .window_ns = 60 * NS_PER_S,
    .delay_max_ns = 4 * NS_PER_S,
    .attempts = 4,
};

static struct supervise_rules once_rules(void)
{
    struct supervise_rules rules = daemon_rules;

    rules.once = true;
    rules.ready_within_ns = 0;
    return rules;
}

static int set_up(void **state)
{
    supervise_init(&s);
    now_ns = 100 * NS_PER_S;
    return 0;
}

static void add(size_t service, const struct supervise_rules *rules)
{
    supervise_add(&s, service, rules, now_ns);
}

static void feed(struct supervise_event event)
{
    event.now_ns = now_ns;
    supervise_step(&s, &event, &out);
}

static void feed_status(size_t service, struct supervise_status status)
{
    feed(
        (struct supervise_event){ .kind = SUPERVISE_STATUS, .service = service, .status = status });
}

static void ask(enum supervise_event_kind kind, size_t service)
{
    feed((struct supervise_event){ .kind = kind, .service = service });
}

static void pass(uint64_t span_ns)
{
    now_ns += span_ns;
    feed((struct supervise_event){ .kind = SUPERVISE_TIME });
}

static uint64_t stamp;

/* The supervisor's words. */
static void idle(size_t service)
{
    feed_status(service, (struct supervise_status){ .stamp = ++stamp });
}

static void runs(size_t service, uint64_t pid, bool ready)
{
    feed_status(service, (struct supervise_status){
                             .pid = pid, .stamp = ++stamp, .ready = ready, .want_up = true });
}

static void dies(size_t service, enum snapshot_end end, uint64_t code)
{
    feed_status(service, (struct supervise_status){
                             .stamp = ++stamp, .want_up = true, .end = end, .code = code });
}

static void crash(size_t service)
{
    dies(service, SNAPSHOT_END_SIGNAL, 9);
}

static bool told(enum supervise_effect_kind kind, size_t service)
{
    for (size_t i = 0; i < out.count; i++) {
        if (out.list[i].kind == kind && out.list[i].service == service)
            return true;
    }
    return false;
}

static void expect(size_t service, enum snapshot_state wanted)
{
    assert_string_equal(snapshot_state_name(s.services[service].state),
                        snapshot_state_name(wanted));
}

static void make_ready(size_t service, uint64_t pid)
{
    idle(service);
    runs(service, pid, false);
    runs(service, pid, true);
    expect(service, SNAPSHOT_READY);
}

static void test_starts_by_readiness(void **state)
{
    struct supervise_rules rules = daemon_rules;

    add(A, &rules);
    rules.needs = 1 << A;
    add(B, &rules);
    idle(B);
    assert_false(told(SUPERVISE_DO_START, B));
    assert_int_equal(supervise_unmet(&s, B), 1 << A);
    idle(A);
    assert_true(told(SUPERVISE_DO_START, A));
    expect(A, SNAPSHOT_STARTING);
    runs(A, 10, false);
    expect(A, SNAPSHOT_UP);
    expect(B, SNAPSHOT_WAITING);
    assert_false(supervise_is_ready(&s));
    runs(A, 10, true);
    expect(A, SNAPSHOT_READY);
    assert_true(told(SUPERVISE_DO_START, B));
    assert_int_equal(supervise_unmet(&s, B), 0);
    runs(B, 11, true);
    expect(B, SNAPSHOT_READY);
    assert_true(supervise_is_ready(&s));
    assert_int_equal(supervise_deadline_ns(&s), SUPERVISE_NEVER); /* nothing to wake up for */
}

static void test_once(void **state)
{
    struct supervise_rules rules = once_rules(), next = daemon_rules;

    add(A, &rules);
    next.needs = 1 << A;
    add(B, &next);
    idle(B);
    idle(A);
    assert_true(told(SUPERVISE_DO_START_ONCE, A));
    runs(A, 10, true); /* whatever it says, it is not ready before its end */
    expect(A, SNAPSHOT_UP);
    dies(A, SNAPSHOT_END_EXIT, 0);
    expect(A, SNAPSHOT_DONE);
    assert_true(told(SUPERVISE_DO_START, B));
    assert_int_equal(s.services[A].restarts, 0);
    ask(SUPERVISE_START, A); /* a person may have it run again */
    assert_true(told(SUPERVISE_DO_START_ONCE, A));
}

/* The process began and ended before anybody looked. */
static void test_run_between_two_looks(void **state)
{
    struct supervise_rules rules = once_rules();

    add(A, &rules);
    idle(A);
    feed_status(A, (struct supervise_status){ .stamp = stamp }); /* nothing happened */
    expect(A, SNAPSHOT_STARTING);
    dies(A, SNAPSHOT_END_EXIT, 0);
    expect(A, SNAPSHOT_DONE);
}

static void test_once_that_fails(void **state)
{
    struct supervise_rules rules = once_rules();

    rules.burst = 1;
    add(A, &rules);
    idle(A);
    feed_status(A,
                (struct supervise_status){ .stamp = ++stamp, .end = SNAPSHOT_END_EXIT, .code = 3 });
    assert_true(told(SUPERVISE_DO_START_ONCE, A)); /* within the burst: again at once */
    feed_status(A,
                (struct supervise_status){ .stamp = ++stamp, .end = SNAPSHOT_END_EXIT, .code = 3 });
    expect(A, SNAPSHOT_BACKOFF);
    rules.policy = SUPERVISE_NEVER_AGAIN;
    add(B, &rules);
    idle(B);
    dies(B, SNAPSHOT_END_EXIT, 3);
    expect(B, SNAPSHOT_FAILED);
}

static void test_policies(void **state)
{
    struct supervise_rules rules = daemon_rules;

    rules.policy = SUPERVISE_ON_FAILURE;
    add(A, &rules);
    idle(A);
    assert_true(told(SUPERVISE_DO_START, A));
    runs(A, 10, true);
    dies(A, SNAPSHOT_END_EXIT, 1);
    expect(A, SNAPSHOT_STARTING);
    runs(A, 11, true);
    dies(A, SNAPSHOT_END_EXIT, 0);
    expect(A, SNAPSHOT_DOWN);
    assert_int_equal(s.services[A].cause, SUPERVISE_BECAUSE_ENDED);
    rules.policy = SUPERVISE_NEVER_AGAIN;
    add(B, &rules);
    idle(B);
    assert_true(told(SUPERVISE_DO_START_ONCE, B));
    runs(B, 20, true);
    crash(B);
    expect(B, SNAPSHOT_FAILED);
    assert_int_equal(s.services[B].last_end, SNAPSHOT_END_SIGNAL);
    assert_int_equal(s.services[B].last_code, 9);
}

static void test_restart_after_death(void **state)
{
    struct supervise_rules rules = daemon_rules;

    add(A, &rules);
    rules.needs = 1 << A;
    add(B, &rules);
    make_ready(A, 10);
    make_ready(B, 20);
    runs(A, 11, true); /* died and was restarted between two looks */
    expect(A, SNAPSHOT_READY);
    assert_int_equal(s.services[A].restarts, 1);
    crash(A);
    expect(A, SNAPSHOT_STARTING);
    assert_false(told(SUPERVISE_DO_START, A)); /* the supervisor does it by itself */
    expect(B, SNAPSHOT_READY);                 /* nothing else is touched */
    runs(A, 12, true);
    expect(A, SNAPSHOT_READY);
    assert_int_equal(s.services[A].restarts, 2);
}

static void test_crash_loop(void **state)
{
    static const uint64_t delays_s[] = { 1, 2, 4, 4 }; /* doubling, up to delay_max */
    const struct supervise_rules rules = daemon_rules;
    uint64_t pid = 10;

    add(A, &rules);
    make_ready(A, pid++);
    for (unsigned i = 0; i < rules.burst; i++) {
        crash(A);
        expect(A, SNAPSHOT_STARTING);
        runs(A, pid++, false);
    }
    for (size_t i = 0; i < ARRAY_SIZE(delays_s); i++) {
        crash(A);
        expect(A, SNAPSHOT_BACKOFF);
        assert_true(told(SUPERVISE_DO_STOP, A));
        assert_int_equal(supervise_deadline_ns(&s), now_ns + delays_s[i] * NS_PER_S);
        pass(delays_s[i] * NS_PER_S - 1);
        assert_int_equal(out.count, 0);
        pass(1);
        assert_true(told(SUPERVISE_DO_START, A));
        runs(A, pid++, true); /* being ready for a moment is no merit */
    }
    crash(A);
    expect(A, SNAPSHOT_FAILED);
    assert_true(told(SUPERVISE_DO_STOP, A));
    assert_int_equal(supervise_deadline_ns(&s), SUPERVISE_NEVER);
    ask(SUPERVISE_START, A); /* a person counts for more */
    assert_true(told(SUPERVISE_DO_START, A));
    runs(A, pid, true);
    crash(A);
    expect(A, SNAPSHOT_STARTING); /* with a clean record */
}

/* The ring of deaths is large enough for the largest burst. */
static void test_largest_burst(void **state)
{
    struct supervise_rules rules = daemon_rules;

    rules.burst = SUPERVISE_BURST_MAX;
    add(A, &rules);
    make_ready(A, 10);
    for (uint64_t i = 0; i < SUPERVISE_BURST_MAX; i++) {
        crash(A);
        expect(A, SNAPSHOT_STARTING);
        runs(A, 11 + i, true);
    }
    crash(A);
    expect(A, SNAPSHOT_BACKOFF);
}

static void test_clean_record(void **state)
{
    const struct supervise_rules rules = daemon_rules;
    uint64_t pid = 10;

    add(A, &rules);
    make_ready(A, pid++);
    for (unsigned i = 0; i < 20; i++) { /* rare deaths never add up */
        pass(rules.window_ns);
        crash(A);
        expect(A, SNAPSHOT_STARTING);
        runs(A, pid++, true);
    }
}

static void test_hung_start(void **state)
{
    struct supervise_rules rules = daemon_rules;

    rules.burst = 1;
    add(A, &rules);
    rules.needs = 1 << A;
    add(B, &rules);
    idle(B);
    idle(A);
    runs(A, 10, false);
    assert_int_equal(supervise_deadline_ns(&s), now_ns + 30 * NS_PER_S);
    pass(30 * NS_PER_S);
    assert_true(told(SUPERVISE_DO_STOP, A));
    expect(A, SNAPSHOT_STOPPING);
    assert_int_equal(s.services[A].cause, SUPERVISE_BECAUSE_HUNG);
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    assert_true(told(SUPERVISE_DO_START, A)); /* the first death is free */
    runs(A, 11, false);
    pass(30 * NS_PER_S);
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    expect(A, SNAPSHOT_BACKOFF);
    expect(B, SNAPSHOT_WAITING);
}

/* The supervisor cannot even make a process. */
static void test_no_process(void **state)
{
    const struct supervise_rules rules = daemon_rules;

    add(A, &rules);
    idle(A);
    pass(30 * NS_PER_S);
    expect(A, SNAPSHOT_STARTING);
    assert_true(told(SUPERVISE_DO_STOP, A));
    assert_true(told(SUPERVISE_DO_START, A));
    assert_int_equal(s.services[A].restarts, 1);
}

static void test_stop_and_restart(void **state)
{
    const struct supervise_rules rules = daemon_rules;

    add(A, &rules);
    make_ready(A, 10);
    ask(SUPERVISE_RESTART, A);
    assert_true(told(SUPERVISE_DO_STOP, A));
    expect(A, SNAPSHOT_STOPPING);
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    assert_true(told(SUPERVISE_DO_START, A));
    runs(A, 11, true);
    assert_int_equal(s.services[A].restarts, 0); /* it did not die */
    ask(SUPERVISE_STOP, A);
    pass(7 * NS_PER_S); /* 5 s of its own, 2 s for the supervisor to kill it */
    assert_true(told(SUPERVISE_DO_KILL, A));
    assert_int_equal(supervise_deadline_ns(&s), now_ns + 7 * NS_PER_S);
    ask(SUPERVISE_START, A); /* changed their mind */
    ask(SUPERVISE_STOP, A);  /* and again */
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    expect(A, SNAPSHOT_DOWN);
    assert_false(told(SUPERVISE_DO_START, A));
    runs(A, 12, false); /* started behind our back */
    assert_true(told(SUPERVISE_DO_STOP, A));
    expect(A, SNAPSHOT_DOWN);
}

static void test_condition(void **state)
{
    struct supervise_event event = { .kind = SUPERVISE_RULES, .service = A, .rules = daemon_rules };
    struct supervise_rules rules = daemon_rules;

    event.rules.off = true;
    add(A, &event.rules);
    rules.needs = 1 << A;
    add(B, &rules);
    idle(A);
    expect(A, SNAPSHOT_OFF);
    assert_true(supervise_unmet(&s, B) == 0);
    make_ready(B, 20); /* who is off satisfies */
    event.rules.off = false;
    feed(event);
    assert_true(told(SUPERVISE_DO_START, A));
    runs(A, 10, true);
    event.rules.off = true;
    feed(event);
    assert_true(told(SUPERVISE_DO_STOP, A));
    event.rules.off = false; /* back before it was down */
    feed(event);
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    assert_true(told(SUPERVISE_DO_START, A));
}

static void test_remove(void **state)
{
    const struct supervise_rules rules = daemon_rules;

    add(A, &rules);
    make_ready(A, 10);
    ask(SUPERVISE_REMOVE, A);
    assert_true(told(SUPERVISE_DO_STOP, A));
    ask(SUPERVISE_START, A); /* too late */
    feed_status(A, (struct supervise_status){ .stamp = ++stamp });
    assert_true(told(SUPERVISE_DO_FORGET, A));
    assert_false(s.services[A].used);
    ask(SUPERVISE_START, A);
    assert_int_equal(out.count, 0);
    add(A, &rules); /* the index is free */
    ask(SUPERVISE_REMOVE, A);
    assert_true(told(SUPERVISE_DO_FORGET, A));
}

static void test_adoption(void **state)
{
    const struct {
        enum snapshot_state before;
        uint64_t pid;
        bool ready, once, off, want_up;
        enum snapshot_end end;
        enum snapshot_state wanted;
    } cases[] = {
        { SNAPSHOT_READY, 10, true, false, false, true, 0, SNAPSHOT_READY },
        { SNAPSHOT_STARTING, 10, false, false, false, true, 0, SNAPSHOT_UP },
        { SNAPSHOT_READY, 0, false, false, false, true, 0, SNAPSHOT_STARTING },
        { SNAPSHOT_READY, 0, false, false, false, false, 0, SNAPSHOT_WAITING },
        { SNAPSHOT_READY, 10, true, false, true, true, 0, SNAPSHOT_STOPPING },
        { SNAPSHOT_UP, 0, false, true, false, false, SNAPSHOT_END_EXIT, SNAPSHOT_DONE },
        { SNAPSHOT_UP, 0, false, true, false, false, SNAPSHOT_END_SIGNAL, SNAPSHOT_WAITING },
        { SNAPSHOT_DONE, 0, false, true, false, false, SNAPSHOT_END_EXIT, SNAPSHOT_DONE },
        { SNAPSHOT_DONE, 0, false, false, false, false, 0, SNAPSHOT_WAITING },
        { SNAPSHOT_STOPPING, 10, true, false, false, false, 0, SNAPSHOT_STOPPING },
        { SNAPSHOT_STOPPING, 0, false, false, false, false, 0, SNAPSHOT_DOWN },
        { SNAPSHOT_DOWN, 0, false, false, false, false, 0, SNAPSHOT_DOWN },
        { SNAPSHOT_FAILED, 0, false, false, false, false, 0, SNAPSHOT_FAILED },
        { SNAPSHOT_BACKOFF, 0, false, false, false, false, 0, SNAPSHOT_BACKOFF },
        { SNAPSHOT_WAITING, 0, false, false, false, false, 0, SNAPSHOT_WAITING },
        { SNAPSHOT_OFF, 0, false, false, false, false, 0, SNAPSHOT_WAITING },
        { SNAPSHOT_READY, 0, false, false, true, false, 0, SNAPSHOT_OFF },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct snapshot_service before = {
            .state = cases[i].before, .pid = 10, .since_us = 5, .restarts = 2
        };
        const struct supervise_adoption adoption = {
            .before = &before,
            .now_ns = now_ns,
            .status = { .pid = cases[i].pid,
                        .ready = cases[i].ready,
                        .want_up = cases[i].want_up,
                        .end = cases[i].end,
                        .code = cases[i].end == SNAPSHOT_END_SIGNAL },
        };
        struct supervise_rules rules = daemon_rules;

        supervise_init(&s);
        rules.once = cases[i].once;
        rules.off = cases[i].off;
        supervise_adopt(&s, A, &rules, &adoption, &out);
        expect(A, cases[i].wanted);
        assert_false(told(SUPERVISE_DO_START, A)); /* what runs is left alone */
        assert_int_equal(told(SUPERVISE_DO_STOP, A), cases[i].wanted == SNAPSHOT_STOPPING);
        assert_int_equal(s.services[A].restarts, 2);
        if (cases[i].before == SNAPSHOT_READY && cases[i].wanted == SNAPSHOT_READY)
            assert_int_equal(s.services[A].since_ns, 5000);
    }
}

/* --- Every cell of the table --- */

/* Brings service A into a state by the shortest way. */
static void bring_to(enum snapshot_state wanted)
{
    struct supervise_rules rules = daemon_rules, never = daemon_rules, once = once_rules();

    supervise_init(&s);
    rules.off = wanted == SNAPSHOT_OFF;
    rules.burst = wanted == SNAPSHOT_BACKOFF ? 0 : 3;
    never.policy = SUPERVISE_NEVER_AGAIN;
    add(A, wanted == SNAPSHOT_FAILED ? &never : wanted == SNAPSHOT_DONE ? &once : &rules);
    if (wanted == SNAPSHOT_WAITING)
        return;
    idle(A);
    if (wanted == SNAPSHOT_UP || wanted == SNAPSHOT_READY || wanted == SNAPSHOT_STOPPING)
        runs(A, 10, wanted != SNAPSHOT_UP);
    if (wanted == SNAPSHOT_STOPPING || wanted == SNAPSHOT_DOWN)
        ask(SUPERVISE_STOP, A);
    if (wanted == SNAPSHOT_BACKOFF || wanted == SNAPSHOT_FAILED)
        crash(A);
    if (wanted == SNAPSHOT_DONE)
        dies(A, SNAPSHOT_END_EXIT, 0);
    expect(A, wanted);
}

enum stimulus { GO, PROCESS, READY, ENDED, DEADLINE, START, STOP, RESTART, OFF, ON, REMOVE, MANY };

static void stimulate(enum stimulus stimulus)
{
    struct supervise_event event = { .kind = SUPERVISE_RULES, .service = A };
    const uint64_t pid = s.services[A].status.pid;

    event.rules = s.services[A].rules;
    event.rules.off = stimulus == OFF;
    switch (stimulus) {
    case GO:
        feed_status(A, s.services[A].status);
        break;
    case PROCESS:
        runs(A, pid != 0 ? pid : 50, s.services[A].status.ready);
        break;
    case READY:
        runs(A, pid != 0 ? pid : 50, true);
        break;
    case ENDED:
        crash(A);
        break;
    case DEADLINE:
        pass(300 * NS_PER_S);
        break;
    case START:
        ask(SUPERVISE_START, A);
        break;
    case STOP:
        ask(SUPERVISE_STOP, A);
        break;
    case RESTART:
        ask(SUPERVISE_RESTART, A);
        break;
    case OFF:
    case ON:
        feed(event);
        break;
    case REMOVE:
        ask(SUPERVISE_REMOVE, A);
        break;
    case MANY:
        break;
    }
}

/* What is seen from outside after a step: one word for each state and stimulus. "." means as
 * before; '+' that it was told to start, '-' to stop, '!' to be killed; "gone" that it is
 * forgotten. */
static void test_every_cell(void **state)
{
    static const char *const wanted[SNAPSHOT_STATE_MAX_][MANY] = {
        /*  go process ready ended deadline start stop restart off on remove */
        [SNAPSHOT_OFF] = { ".", "off-", "off-", "off-", ".", ".", ".", ".", ".", "starting+",
                           "gone" },
        [SNAPSHOT_WAITING] = { "starting+", "waiting-", "waiting-", "starting+", ".", ".", "down",
                               ".", "off", ".", "gone" },
        [SNAPSHOT_STARTING] = { ".", "up", "ready", "starting", "starting-+", ".", "down-",
                                "starting-+", "off-", ".", "gone-" },
        [SNAPSHOT_UP] = { ".", ".", "ready", "starting", "stopping-", ".", "stopping-", "stopping-",
                          "stopping-", ".", "stopping-" },
        [SNAPSHOT_READY] = { ".", ".", ".", "starting", ".", ".", "stopping-", "stopping-",
                             "stopping-", ".", "stopping-" },
        [SNAPSHOT_DONE] = { ".", "done-", "done-", "done-", ".", "starting+", "down", "starting+",
                            "off", ".", "gone" },
        [SNAPSHOT_STOPPING] = { ".", ".", ".", "down", "stopping!", ".", ".", ".", ".", ".", "." },
        [SNAPSHOT_DOWN] = { ".", "down-", "down-", "down-", ".", "starting+", ".", "starting+",
                            "off", ".", "gone" },
        [SNAPSHOT_BACKOFF] = { ".", "backoff-", "backoff-", "backoff-", "starting+", "starting+",
                               "down", "starting+", "off", ".", "gone" },
        [SNAPSHOT_FAILED] = { ".", "failed-", "failed-", "failed-", ".", "starting+", "down",
                              "starting+", "off", ".", "gone" },
    };

    for (size_t row = 0; row < SNAPSHOT_STATE_MAX_; row++) {
        for (size_t column = 0; column < MANY; column++) {
            char seen[64] = "";

            bring_to((enum snapshot_state)row);
            out.count = 0;
            stimulate((enum stimulus)column);
            if (out.count > 0)
                (void)snprintf(
                    seen, sizeof(seen), "%s%s%s%s",
                    s.services[A].used ? snapshot_state_name(s.services[A].state) : "gone",
                    told(SUPERVISE_DO_STOP, A) ? "-" : "", told(SUPERVISE_DO_KILL, A) ? "!" : "",
                    told(SUPERVISE_DO_START, A) || told(SUPERVISE_DO_START_ONCE, A) ? "+" : "");
            else
                (void)snprintf(seen, sizeof(seen), ".");
            if (strcmp(seen, wanted[row][column]) != 0)
                fail_msg("%s, stimulus %zu: %s instead of %s",
                         snapshot_state_name((enum snapshot_state)row), column, seen,
                         wanted[row][column]);
        }
    }
}

/* --- Anything in any order --- */

enum { WORLD = 8, STEPS = 400 };

/* A model of s6-supervise: what it would do with our commands, and a service that lives in it. */
struct world_service {
    struct supervise_status status;
    bool dirty;           /* there is news that the core has not seen */
    uint64_t stopping_ns; /* when it heeds a stop, 0: none was sent */
    bool stubborn;        /* does not heed a stop, only SIGKILL */
};

static struct world_service world[WORLD];
static uint64_t next_pid;

static void world_begin(struct world_service *w)
{
    if (w->status.pid != 0)
        return;
    w->status.pid = ++next_pid;
    w->status.ready = false;
    w->status.stamp = ++stamp;
    w->stopping_ns = 0;
    w->dirty = true;
}

static void world_end(struct world_service *w, enum snapshot_end end, uint64_t code)
{
    if (w->status.pid == 0)
        return;
    w->status.pid = 0;
    w->status.ready = false;
    w->status.stamp = ++stamp;
    w->status.end = end;
    w->status.code = code;
    w->dirty = true;
    if (w->status.want_up)
        world_begin(w);
}

static void check_start(size_t service)
{
    assert_int_equal(supervise_unmet(&s, service), 0);
    assert_true(s.services[service].supervised);
    assert_false(s.services[service].rules.off);
}

static void obey(void)
{
    for (size_t i = 0; i < out.count; i++) {
        const struct supervise_effect *effect = &out.list[i];
        struct world_service *w = &world[effect->service];

        switch (effect->kind) {
        case SUPERVISE_DO_START:
        case SUPERVISE_DO_START_ONCE:
            check_start(effect->service);
            w->status.want_up = effect->kind == SUPERVISE_DO_START;
            world_begin(w);
            break;
        case SUPERVISE_DO_STOP:
            w->status.want_up = false;
            w->stopping_ns = w->status.pid != 0 ? now_ns : 0;
            break;
        case SUPERVISE_DO_KILL:
            world_end(w, SNAPSHOT_END_SIGNAL, 9);
            break;
        case SUPERVISE_DO_FORGET:
            assert_false(s.services[effect->service].used);
            break;
        case SUPERVISE_CHANGED:
            assert_true(effect->from < SNAPSHOT_STATE_MAX_ && effect->to < SNAPSHOT_STATE_MAX_);
            break;
        }
    }
}

static void check_invariants(void)
{
    assert_true(supervise_deadline_ns(&s) > now_ns);
    for (size_t i = 0; i < WORLD; i++) {
        const struct supervise_service *service = &s.services[i];

        if (!service->used)
            continue;
        assert_true(service->state < SNAPSHOT_STATE_MAX_);
        /* Nobody waits without a reason. */
        if (service->state == SNAPSHOT_WAITING)
            assert_true(!service->supervised || service->status.pid != 0 ||
                        supervise_unmet(&s, i) != 0);
        if (service->state == SNAPSHOT_READY)
            assert_true(service->status.pid != 0 && service->status.ready);
        /* Who waits for something has a deadline, and only those. */
        if (service->state == SNAPSHOT_STOPPING || service->state == SNAPSHOT_BACKOFF)
            assert_true(service->deadline_ns != SUPERVISE_NEVER);
        if (service->state == SNAPSHOT_READY || service->state == SNAPSHOT_FAILED ||
            service->state == SNAPSHOT_DONE || service->state == SNAPSHOT_DOWN ||
            service->state == SNAPSHOT_OFF || service->state == SNAPSHOT_WAITING)
            assert_int_equal(service->deadline_ns, SUPERVISE_NEVER);
        assert_true(service->attempt <= service->rules.attempts);
        assert_true(service->state != SNAPSHOT_OFF || service->rules.off);
    }
}

static void deliver(size_t i)
{
    struct supervise_status status = world[i].status;

    world[i].dirty = false;
    feed_status(i, status);
    obey();
    check_invariants();
}

static struct supervise_rules random_rules(struct rng *r, size_t i)
{
    struct supervise_rules rules = daemon_rules;

    rules.needs = rng_next(r) & rng_next(r) & ((UINT64_C(1) << i) - 1); /* no cycles */
    rules.once = rng_chance(r, 250000);
    rules.off = rng_chance(r, 100000);
    rules.required = rng_chance(r, 500000);
    rules.policy = (enum supervise_policy)rng_below(r, 3);
    rules.burst = (unsigned)rng_below(r, 4);
    rules.attempts = (unsigned)rng_below(r, 4);
    rules.ready_within_ns = rng_below(r, 3) * NS_PER_S;
    rules.stop_within_ns = rng_below(r, 3) * NS_PER_S;
    return rules;
}

static void live(struct rng *r, struct world_service *w)
{
    switch (rng_below(r, 4)) {
    case 0:
        if (w->status.pid != 0) {
            w->status.ready = true;
            w->dirty = true;
        }
        break;
    case 1:
        world_end(w, SNAPSHOT_END_SIGNAL, 11);
        break;
    case 2:
        world_end(w, SNAPSHOT_END_EXIT, rng_below(r, 2));
        break;
    default:
        if (w->stopping_ns != 0 && !w->stubborn)
            world_end(w, SNAPSHOT_END_SIGNAL, 15);
        break;
    }
}

static void random_act(struct rng *r)
{
    size_t i = rng_below(r, WORLD);
    static const enum supervise_event_kind requests[] = { SUPERVISE_START, SUPERVISE_STOP,
                                                          SUPERVISE_RESTART };
    struct supervise_event rules = { .kind = SUPERVISE_RULES, .service = i };

    switch (rng_below(r, 8)) {
    case 0:
        ask(requests[rng_below(r, ARRAY_SIZE(requests))], i);
        break;
    case 1:
        rules.rules = s.services[i].rules;
        rules.rules.off = rng_chance(r, 500000);
        if (s.services[i].used)
            feed(rules);
        break;
    case 2:
        if (rng_chance(r, 50000))
            ask(SUPERVISE_REMOVE, i);
        else
            pass(rng_below(r, 5 * NS_PER_S));
        break;
    case 3:
        pass(rng_below(r, NS_PER_S));
        break;
    case 4:
    case 5:
        live(r, &world[i]);
        return;
    default:
        deliver(i);
        return;
    }
    obey();
    check_invariants();
}

/* With a supervisor that obeys and services that become ready at once, everything comes up. */
static void heal(void)
{
    for (size_t i = 0; i < WORLD; i++) {
        struct supervise_event event = { .kind = SUPERVISE_RULES, .service = i };

        if (!s.services[i].used)
            continue;
        event.rules = s.services[i].rules;
        event.rules.off = false;
        event.rules.once = false;
        event.rules.policy = SUPERVISE_ALWAYS;
        event.rules.ready_within_ns = 0;
        for (size_t k = 0; k < i; k++) {
            if (!s.services[k].used || s.services[k].after == SUPERVISE_AFTER_FORGET)
                event.rules.needs &= ~(UINT64_C(1) << k);
        }
        feed(event);
        obey();
        deliver(i); /* a restart of what it has not seen yet would count as a death */
        ask(SUPERVISE_RESTART, i);
        obey();
    }
    for (unsigned round = 0; round < 4 * WORLD; round++) {
        for (size_t i = 0; i < WORLD; i++) {
            if (world[i].stopping_ns != 0)
                world_end(&world[i], SNAPSHOT_END_SIGNAL, 15);
            if (world[i].status.pid != 0)
                world[i].status.ready = true;
            deliver(i);
        }
        pass(10 * NS_PER_S);
        obey();
    }
    for (size_t i = 0; i < WORLD; i++) {
        if (s.services[i].used && s.services[i].after != SUPERVISE_AFTER_FORGET)
            expect(i, SNAPSHOT_READY);
    }
}

static void test_random(void **state)
{
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct rng r;

        rng_seed(&r, seed);
        supervise_init(&s);
        memset(world, 0, sizeof(world));
        now_ns = NS_PER_S;
        for (size_t i = 0; i < WORLD; i++) {
            struct supervise_rules rules = random_rules(&r, i);

            world[i].stubborn = rng_chance(&r, 200000);
            add(i, &rules);
        }
        for (unsigned i = 0; i < STEPS; i++)
            random_act(&r);
        heal();
    }
}

static void bad_index(void)
{
    (void)supervise_unmet(&s, SUPERVISE_SERVICES_MAX);
}

static void test_checks(void **state)
{
    char message[256];

    assert_true(test_death_by_abort(bad_index, message, sizeof(message)));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_starts_by_readiness), TEST(test_once),          TEST(test_run_between_two_looks),
        TEST(test_once_that_fails),     TEST(test_policies),      TEST(test_restart_after_death),
        TEST(test_crash_loop),          TEST(test_largest_burst), TEST(test_clean_record),
        TEST(test_hung_start),          TEST(test_no_process),    TEST(test_stop_and_restart),
        TEST(test_condition),           TEST(test_remove),        TEST(test_adoption),
        TEST(test_every_cell),          TEST(test_random),        TEST(test_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
