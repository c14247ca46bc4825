#include "work/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"

/* Written by s6-supervise 2.13.1.0 for a ready service, and after its end by SIGKILL. */
static const uint8_t ready[SUPERVISOR_STATUS_SIZE] = {
    0x40, 0, 0,    0,    0x6a, 0x1d, 0x2f, 0x60, 0x12, 0x34, 0x56, 0x78, /* began */
    0x40, 0, 0,    0,    0x6a, 0x1d, 0x2f, 0x61, 0,    0,    0,    0,    /* ready */
    0,    0, 0,    0,    0,    0,    0x12, 0x67, 0,    0,    0,    0,
    0,    0, 0x12, 0x67, /* process and its group */
    0,    0, 0x0c,       /* wanted up, ready */
};

static void test_parse(void **state)
{
    uint8_t bytes[SUPERVISOR_STATUS_SIZE + 1] = { 0 };
    struct supervise_status status;

    memcpy(bytes, ready, sizeof(ready));
    assert_int_equal(supervisor_status_parse(bytes, sizeof(ready), &status), 0);
    assert_int_equal(status.pid, 0x1267);
    assert_true(status.ready && status.want_up);
    assert_true(status.stamp == UINT64_C(0x6a1d2f6012345678));

    bytes[31] = bytes[30] = 0; /* no process: ready means "for good" */
    bytes[41] = 9;             /* SIGKILL */
    assert_int_equal(supervisor_status_parse(bytes, sizeof(ready), &status), 0);
    assert_false(status.ready);
    assert_int_equal(status.end, SNAPSHOT_END_SIGNAL);
    assert_int_equal(status.code, 9);

    bytes[40] = 3; /* exit(3) */
    bytes[41] = 0;
    bytes[42] = 2; /* the finish script runs as process 7 */
    bytes[31] = 7;
    assert_int_equal(supervisor_status_parse(bytes, sizeof(ready), &status), 0);
    assert_int_equal(status.pid, 0);
    assert_false(status.want_up);
    assert_int_equal(status.end, SNAPSHOT_END_EXIT);
    assert_int_equal(status.code, 3);
}

static void test_refusals(void **state)
{
    uint8_t bytes[SUPERVISOR_STATUS_SIZE + 1] = { 0 };
    struct supervise_status status;

    memcpy(bytes, ready, sizeof(ready));
    for (size_t size = 0; size <= sizeof(bytes); size++)
        assert_int_equal(supervisor_status_parse(bytes, size, &status),
                         size == SUPERVISOR_STATUS_SIZE ? 0 : -EBADMSG);
    bytes[42] = 0x10; /* a flag of another version */
    assert_int_equal(supervisor_status_parse(bytes, sizeof(ready), &status), -EBADMSG);
    memcpy(bytes, ready, sizeof(ready));
    bytes[24] = 1; /* no process has such a number */
    assert_int_equal(supervisor_status_parse(bytes, sizeof(ready), &status), -EBADMSG);
}

static void test_files(void **state)
{
    char scan[] = "/tmp/supervisor-XXXXXX", path[128], letter = '\0';
    struct supervise_status status;
    struct failure f = FAILURE_NONE;
    int fd;

    assert_non_null(mkdtemp(scan));
    assert_int_equal(supervisor_status_read(scan, "x", &status, &f), -ENOENT);
    assert_int_equal(supervisor_tell(scan, "x", 'u', &f), -ENOENT);
    (void)snprintf(path, sizeof(path), "%s/x/supervise/status", scan);
    assert_int_equal(file_make_parent(path, &f), 0);
    assert_int_equal(file_write(path, ready, sizeof(ready), 0644, &f), 0);
    assert_int_equal(supervisor_status_read(scan, "x", &status, &f), 0);
    assert_true(status.ready);
    assert_int_equal(file_write(path, "short", 5, 0644, &f), 0);
    assert_int_equal(supervisor_status_read(scan, "x", &status, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_SUPERVISOR);

    (void)snprintf(path, sizeof(path), "%s/x/supervise/control", scan);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(supervisor_tell(scan, "x", 'u', &f), -ENXIO); /* nobody reads */
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(supervisor_tell(scan, "x", 'u', &f), 0);
    assert_int_equal(read(fd, &letter, 1), 1);
    assert_int_equal(letter, 'u');
    assert_int_equal(close(fd), 0);
    assert_int_equal(supervisor_tell(scan, NULL, 'a', &f), -ENOENT);
    assert_int_equal(file_remove_tree(scan, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
