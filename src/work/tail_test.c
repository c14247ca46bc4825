#include "work/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/file.h"

static char path[64];

static void collect(const char *line, size_t length, void *context)
{
    text_add_bytes(context, line, length);
    text_add(context, "|");
}

static void expect(const char *content, size_t count, const char *wanted)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_write(path, content, strlen(content), 0600, &f), 0);
    assert_true(tail_read(path, count, collect, &t, &f) >= 0);
    assert_string_equal(text_string(&t), wanted);
}

static void test_lines(void **state)
{
    expect("", 3, "");
    expect("\n", 3, "|");
    expect("one", 3, "one|");
    expect("one\n", 3, "one|");
    expect("one\ntwo\nthree\nfour\n", 3, "two|three|four|");
    expect("one\ntwo\nthree\nfour", 3, "two|three|four|");
    expect("one\n\n\nfour\n", 3, "||four|");
    expect("one\ntwo\n", 0, "");
    expect("one\ntwo\n", 1, "two|");
    expect("one\ntwo\n", 100, "one|two|");
}

/* Only the end is read, whatever the size. */
static void test_large(void **state)
{
    const size_t size = 3 * TAIL_BYTES_MAX;
    struct failure f = FAILURE_NONE;
    struct text t = TEXT_INIT;
    char *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 'a', size);
    bytes[size - 3] = '\n';
    assert_int_equal(file_write(path, bytes, size, 0600, &f), 0);
    assert_int_equal(tail_read(path, 1, collect, &t, &f), 1);
    assert_string_equal(text_string(&t), "aa|");
    text_clear(&t);
    assert_int_equal(tail_read(path, 9, collect, &t, &f), 2);
    assert_int_equal(t.length, TAIL_BYTES_MAX - 3 + 1 + 3);
    text_done(&t);
    free(bytes);
    assert_int_equal(tail_read("/nonexistent", 1, collect, NULL, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines),
                                        cmocka_unit_test(test_large) };
    int r;

    (void)snprintf(path, sizeof(path), "/tmp/tail-%d", (int)getpid());
    r = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return r;
}
