#include "sys/console.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* One record is one write, so a pipe shows what the kernel would get. */
static size_t take(int fd, char *ret, size_t capacity)
{
    ssize_t size = read(fd, ret, capacity);

    assert_true(size > 0);
    return (size_t)size;
}

static void test_line(void **unused)
{
    char longest[2 * CONSOLE_LINE_MAX], buffer[2048];
    int ends[2];

    (void)unused;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    console_line(ends[1], CONSOLE_NOTICE, "broch stage1 step=x status=ok us=1");
    assert_int_equal(take(ends[0], buffer, sizeof(buffer)), 38);
    assert_memory_equal(buffer, "<4>broch stage1 step=x status=ok us=1\n", 38);
    console_line(ends[1], CONSOLE_ERROR, "%s");
    assert_int_equal(take(ends[0], buffer, sizeof(buffer)), 6);
    assert_memory_equal(buffer, "<3>%s\n", 6);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    console_line(ends[1], CONSOLE_ERROR, longest);
    assert_int_equal(take(ends[0], buffer, sizeof(buffer)), 3 + CONSOLE_LINE_MAX + 1);
    assert_int_equal(buffer[3 + CONSOLE_LINE_MAX], '\n');
    console_line(-1, CONSOLE_ERROR, "nobody listens"); /* and that is fine */
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
