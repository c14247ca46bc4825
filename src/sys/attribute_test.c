#include "sys/attribute.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/attribute_test.XXXXXX";
static int folder_fd;

static void put(const char *text)
{
    int fd = openat(folder_fd, "a", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void test_read(void **unused)
{
    char buffer[8];

    (void)unused;
    put("1234567");
    assert_int_equal(attribute_read(folder_fd, "a", buffer, sizeof(buffer)), 7);
    assert_string_equal(buffer, "1234567");
    put("12345678");
    assert_int_equal(attribute_read(folder_fd, "a", buffer, sizeof(buffer)), -ERANGE);
    put("");
    assert_int_equal(attribute_read(folder_fd, "a", buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "");
    assert_int_equal(attribute_read(folder_fd, "b", buffer, sizeof(buffer)), -ENOENT);
    assert_int_equal(attribute_read(AT_FDCWD, folder, buffer, sizeof(buffer)), -EISDIR);
}

static void test_line(void **unused)
{
    char buffer[8];

    (void)unused;
    put("ab\n");
    assert_int_equal(attribute_read_line(folder_fd, "a", buffer, sizeof(buffer)), 2);
    assert_string_equal(buffer, "ab");
    put("ab\n\n");
    assert_int_equal(attribute_read_line(folder_fd, "a", buffer, sizeof(buffer)), 3);
    put("\n");
    assert_int_equal(attribute_read_line(folder_fd, "a", buffer, sizeof(buffer)), 0);
}

static void test_number(void **unused)
{
    uint64_t number = 5;

    (void)unused;
    put("512\n");
    assert_int_equal(attribute_read_number(folder_fd, "a", 511, &number), -ERANGE);
    assert_int_equal(number, 5);
    assert_int_equal(attribute_read_number(folder_fd, "a", 512, &number), 0);
    assert_int_equal(number, 512);
    put("-1\n");
    assert_int_equal(attribute_read_number(folder_fd, "a", 512, &number), -EBADMSG);
    put("");
    assert_int_equal(attribute_read_number(folder_fd, "a", 512, &number), -EBADMSG);
    assert_int_equal(attribute_read_number(folder_fd, "b", 512, &number), -ENOENT);
}

static void test_read_at(void **unused)
{
    char bytes[4];
    int fd;

    (void)unused;
    put("01234567");
    fd = openat(folder_fd, "a", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(attribute_read_at(fd, 4, bytes, sizeof(bytes)), 0);
    assert_memory_equal(bytes, "4567", 4);
    assert_int_equal(attribute_read_at(fd, 5, bytes, sizeof(bytes)), -ENODATA);
    assert_int_equal(attribute_read_at(fd, 100, bytes, sizeof(bytes)), -ENODATA);
    assert_int_equal(attribute_read_at(fd, INT64_MAX - 1, bytes, sizeof(bytes)), -ERANGE);
    assert_int_equal(attribute_read_at(fd, UINT64_MAX, bytes, sizeof(bytes)), -ERANGE);
    assert_int_equal(close(fd), 0);
    assert_int_equal(attribute_read_at(-1, 0, bytes, sizeof(bytes)), -EBADF);
}

static int set_up(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    return unlinkat(folder_fd, "a", 0) < 0 || close(folder_fd) < 0 || rmdir(folder) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_read_at),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
