#include "work/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/file.h"

static char folder[] = "/tmp/follow-XXXXXX";
static char one[64], two[64];

static int set_up(void **state)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(one, sizeof(one), "%s/one", folder);
    (void)snprintf(two, sizeof(two), "%s/two", folder);
    return 0;
}

static int tear_down(void **state)
{
    struct failure f = FAILURE_NONE;

    return file_remove_tree(folder, &f);
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void collect(size_t file, const char *line, size_t length, void *context)
{
    text_addf(context, "%zu:", file);
    text_add_bytes(context, line, length);
    text_add(context, "|");
}

static void expect(struct follow *follow, const char *wanted)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    while (follow_step(follow, 0, collect, &t, &f) > 0)
        ;
    assert_string_equal(text_string(&t), wanted);
}

static void test_lines(void **state)
{
    struct failure f = FAILURE_NONE;
    struct follow *follow;
    char former[80];
    size_t file;

    append(one, "old\n");
    assert_int_equal(follow_new(&follow, &f), 0);
    assert_int_equal(follow_add(follow, one, &file, &f), 0);
    assert_int_equal(file, 0);
    assert_int_equal(follow_add(follow, two, &file, &f), 0); /* not there yet */
    assert_int_equal(file, 1);
    expect(follow, "");
    append(one, "a\nb\nha");
    expect(follow, "0:a|0:b|");
    append(one, "lf\n");
    expect(follow, "0:half|");
    append(two, "first\n");
    expect(follow, "1:first|");
    append(one, "last\n"); /* and then it is moved away, as s6-log does */
    (void)snprintf(former, sizeof(former), "%s.1", one);
    assert_int_equal(rename(one, former), 0);
    append(one, "new\n");
    expect(follow, "0:last|0:new|");
    assert_null(follow_free(follow));
}

static void test_long_line(void **state)
{
    char *line = malloc(3 * FOLLOW_LINE_SIZE_MAX);
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct follow *follow;
    size_t file;

    assert_non_null(line);
    memset(line, 'x', 3 * FOLLOW_LINE_SIZE_MAX);
    memcpy(line + 3 * FOLLOW_LINE_SIZE_MAX - 2, "\n", 2);
    assert_int_equal(follow_new(&follow, &f), 0);
    assert_int_equal(follow_add(follow, one, &file, &f), 0);
    append(one, line);
    while (follow_step(follow, 0, collect, &t, &f) > 0)
        ;
    assert_true(t.length > 3 * FOLLOW_LINE_SIZE_MAX); /* in pieces, and whole */
    assert_null(follow_free(follow));
    free(line);
}

static void test_no_folder(void **state)
{
    struct failure f = FAILURE_NONE;
    struct follow *follow;
    size_t file;

    assert_int_equal(follow_new(&follow, &f), 0);
    assert_int_equal(follow_add(follow, "/nonexistent/x", &file, &f), -ENOENT);
    assert_null(follow_free(follow));
    assert_null(follow_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines),
        TEST(test_long_line),
        TEST(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
