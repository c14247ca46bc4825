#include "sys/feeder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* What was said is a byte in a pipe; and what only the owner may keep. */
struct said {
    int read_fd, write_fd, secret;
};

static void wipe(void *context)
{
    struct said *said = context;

    said->secret = 0;
}

static void speak(void *context)
{
    const struct said *said = context;

    if (said->secret == 0)
        (void)!write(said->write_fd, "x", 1); /* counted by the test */
}

static void make(struct said *said, struct feeder_work *work)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    *said = (struct said){ fds[0], fds[1], 1 };
    work->prepare = wipe;
    work->speak = speak;
    work->context = said;
}

static void done(const struct said *said)
{
    assert_int_equal(close(said->read_fd), 0);
    assert_int_equal(close(said->write_fd), 0);
}

/* It ends by itself, after as many times as fit. */
static void test_limit(void **state)
{
    struct feeder_work work = { .every_ms = 5, .limit_ms = 23 };
    struct said said;
    struct feeder f;
    char bytes[16];
    int status;

    (void)state;
    make(&said, &work);
    f = feeder_start(&work);
    assert_true(f.pid > 0);
    assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(said.read_fd, bytes, sizeof(bytes)), 5);
    done(&said);
}

/* It is stopped; what it wiped was its own copy. */
static void test_stop(void **state)
{
    struct feeder_work work = { .every_ms = 1, .limit_ms = 600000 };
    struct said said;
    struct feeder f;
    char bytes[1];

    (void)state;
    make(&said, &work);
    f = feeder_start(&work);
    assert_true(f.pid > 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(read(said.read_fd, bytes, 1), 1); /* waits for it */
    feeder_stop(&f);
    assert_int_equal(f.pid, 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1); /* nobody is left */
    assert_int_equal(said.secret, 1);
    feeder_stop(&f);
    done(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_limit), cmocka_unit_test(test_stop) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
