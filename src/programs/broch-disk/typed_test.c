#include "programs/broch-disk/typed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

enum { CAPACITY = 16, PATIENCE_MS = 10000, LOOK_MS = 5 };

static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

static int master, slave;

static int setup(void **state)
{
    (void)state;
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        return -1;
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    return slave < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return close(slave) | close(master);
}

static bool echoes(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(slave, &now), 0);
    return now.c_lflag & ECHO;
}

/* A child that asks; awaited until it does. Its status is 0 when it read "secret". */
static pid_t ask(void)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        const struct sigaction usual = { .sa_handler = SIG_DFL };
        char line[CAPACITY];
        int size;

        /* Whoever started the tests in the background made them deaf to some of these. */
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
            assert_int_equal(sigaction(numbers[i], &usual, NULL), 0);
        size = typed_read(slave, "", line, sizeof(line));
        _exit(size == 6 && memcmp(line, "secret", 6) == 0 ? 0 : 1);
    }
    for (int waited = 0; echoes(); waited += LOOK_MS) {
        assert_true(waited < PATIENCE_MS);
        (void)poll(NULL, 0, LOOK_MS);
    }
    return child;
}

static void test_typed(void **state)
{
    pid_t child = ask();
    int status;

    (void)state;
    assert_int_equal(write(master, "secret\n", 7), 7);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(echoes());
}

/* Whoever has enough finds the terminal as it was, and the program ended by the signal. */
static void test_signals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        pid_t child = ask();
        int status;

        assert_int_equal(kill(child, numbers[i]), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), numbers[i]);
        assert_true(echoes());
    }
}

/* From a pipe: the first line, no more than fits, and what there is when it ends. */
static void test_pipe(void **state)
{
    static const struct {
        const char *given, *wanted;
    } cases[] = { { "one\ntwo\n", "one" },
                  { "no end", "no end" },
                  { "", "" },
                  { "0123456789abcdefghij\n", "0123456789abcdef" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[CAPACITY];
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(write(fds[1], cases[i].given, strlen(cases[i].given)),
                         strlen(cases[i].given));
        assert_int_equal(close(fds[1]), 0);
        assert_int_equal(typed_read(fds[0], "", line, sizeof(line)), strlen(cases[i].wanted));
        assert_memory_equal(line, cases[i].wanted, strlen(cases[i].wanted));
        assert_int_equal(close(fds[0]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_typed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
        cmocka_unit_test(test_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
