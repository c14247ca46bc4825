#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "node/notify.h"

static void test_writes_one_newline_and_closes(void **state)
{
    char buffer[4];
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    notify_ready((uint64_t)fds[1]);
    assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 1);
    assert_int_equal(buffer[0], '\n');
    assert_int_equal(read(fds[0], buffer, sizeof(buffer)), 0);
    (void)close(fds[0]);
}

static void test_reader_gone_is_survived(void **state)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    (void)close(fds[0]);
    notify_ready((uint64_t)fds[1]);
    (void)close(fds[1]);
}

static void test_no_descriptor(void **state)
{
    notify_ready(NOTIFY_FD_NONE);
    notify_ready(UINT64_MAX - 1);
    notify_ready(STDERR_FILENO); /* never a console by mistake */
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFD) >= 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_one_newline_and_closes),
        cmocka_unit_test(test_reader_gone_is_survived),
        cmocka_unit_test(test_no_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
