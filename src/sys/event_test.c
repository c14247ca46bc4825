#include "sys/event.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/number.h"

struct seen {
    int count;
    int status;
    int result;                       /* what the handler returns */
    struct event_source *victim;      /* freed by the handler */
    struct event_source **victim_ref; /* set to NULL with it */
};

static int note(struct seen *seen)
{
    seen->count++;
    if (seen->victim) {
        event_source_free(seen->victim);
        seen->victim = NULL;
        if (seen->victim_ref)
            *seen->victim_ref = NULL;
    }
    return seen->result;
}

static int on_fd(struct event_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    (void)fd;
    (void)events;
    return note(context);
}

static int on_timer(struct event_source *source, void *context)
{
    (void)source;
    return note(context);
}

static int on_signal(struct event_source *source, int signal, void *context)
{
    struct seen *seen = context;

    (void)source;
    seen->status = signal;
    return note(seen);
}

static int on_process(struct event_source *source, pid_t pid, int status, void *context)
{
    struct seen *seen = context;

    (void)source;
    (void)pid;
    seen->status = status;
    return note(seen);
}

static int make_loop(void **state)
{
    struct event_loop *loop;

    if (event_loop_new(&loop) < 0)
        return -1;
    *state = loop;
    return 0;
}

static int free_loop(void **state)
{
    event_loop_free(*state);
    return 0;
}

static void test_deadline(void **state)
{
    uint64_t before = event_now_ns();

    assert_int_equal(event_loop_step(*state, before + 20 * NS_PER_MS), 0);
    assert_true(event_now_ns() >= before + 20 * NS_PER_MS);
    assert_int_equal(event_loop_step(*state, 0), 0); /* already past: looks once, does not wait */
}

static void test_descriptor(void **state)
{
    struct seen seen = { 0 };
    struct event_source *source;
    int pair[2];

    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    assert_int_equal(event_add_fd(*state, pair[0], EPOLLIN, on_fd, &seen, &source), 0);
    assert_int_equal(event_loop_step(*state, 0), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_int_equal(seen.count, 1);
    assert_int_equal(event_fd_set(source, 0), 0); /* paused */
    assert_int_equal(event_loop_step(*state, 0), 0);
    assert_int_equal(event_fd_set(source, EPOLLIN), 0);
    seen.result = -EPROTO;
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), -EPROTO);
    event_source_free(source);
    assert_int_equal(event_loop_step(*state, 0), 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Two are ready in one step and the first to run frees the other: it must not run. */
static void test_free_in_handler(void **state)
{
    struct seen seen[2] = { { 0 }, { 0 } };
    struct event_source *source[2];
    int pair[2][2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(pair[i], O_CLOEXEC), 0);
        assert_int_equal(event_add_fd(*state, pair[i][0], EPOLLIN, on_fd, &seen[i], &source[i]), 0);
        assert_int_equal(write(pair[i][1], "x", 1), 1);
    }
    for (int i = 0; i < 2; i++) {
        seen[i].victim = source[1 - i];
        seen[i].victim_ref = &seen[1 - i].victim;
    }
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_int_equal(seen[0].count + seen[1].count, 1);
    for (int i = 0; i < 2; i++) {
        (void)close(pair[i][0]);
        (void)close(pair[i][1]);
    }
}

static void test_timer(void **state)
{
    struct seen seen = { 0 };
    struct event_source *source;
    uint64_t now = event_now_ns();

    assert_int_equal(event_add_timer(*state, EVENT_NEVER, on_timer, &seen, &source), 0);
    assert_int_equal(event_loop_step(*state, now + 5 * NS_PER_MS), 0);
    assert_int_equal(event_timer_set(source, now + 10 * NS_PER_MS), 0);
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_true(event_now_ns() >= now + 10 * NS_PER_MS);
    assert_int_equal(event_loop_step(*state, 0), 0); /* once only */
    assert_int_equal(event_timer_set(source, 0), 0); /* past: at once */
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_int_equal(seen.count, 2);
}

static void test_signal(void **state)
{
    struct seen seen = { 0 };
    struct event_source *source;
    sigset_t set;

    assert_int_equal(event_add_signal(*state, SIGUSR1, on_signal, &seen, &source), 0);
    assert_int_equal(raise(SIGUSR1), 0); /* would end us if it were not blocked */
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_int_equal(seen.status, SIGUSR1);
    event_source_free(source);
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &set), 0);
    assert_int_equal(sigismember(&set, SIGUSR1), 0);
}

static void test_process(void **state)
{
    struct seen seen = { 0 };
    struct event_source *source;
    pid_t pid = fork();

    if (pid == 0)
        _exit(9);
    assert_true(pid > 0);
    assert_int_equal(event_add_process(*state, pid, on_process, &seen, &source), 0);
    assert_int_equal(event_loop_step(*state, EVENT_NEVER), 1);
    assert_int_equal(WEXITSTATUS(seen.status), 9);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* it was reaped */
    assert_int_equal(event_loop_step(*state, 0), 0);
    assert_true(event_add_process(*state, pid, on_process, &seen, &source) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_loop, free_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_deadline), TEST(test_descriptor), TEST(test_free_in_handler),
        TEST(test_timer),    TEST(test_signal),     TEST(test_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
