/* What can be seen without the right to mount; the rest is seen by every boot. */
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/mount_test.XXXXXX";

static void make_file(int folder_fd, const char *name)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

/* More names than fit into one buffer, folders in folders, and links that lead out. */
static void test_empty_folder(void **unused)
{
    char name[64];
    int fd;

    (void)unused;
    assert_non_null(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mkdirat(fd, "keep", 0700), 0);
    make_file(fd, "keep/file");
    assert_int_equal(mkdirat(fd, "root", 0700), 0);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "root/a-rather-long-name-of-a-file-%u", i);
        make_file(fd, name);
    }
    assert_int_equal(mkdirat(fd, "root/b", 0700), 0);
    assert_int_equal(mkdirat(fd, "root/b/c", 0700), 0);
    make_file(fd, "root/b/c/d");
    assert_int_equal(symlinkat("../keep", fd, "root/link"), 0);
    assert_int_equal(symlinkat("../../keep/file", fd, "root/b/link"), 0);

    mount_empty_folder(openat(fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    assert_int_equal(unlinkat(fd, "root", AT_REMOVEDIR), 0); /* it is empty */
    assert_int_equal(unlinkat(fd, "keep/file", 0), 0);       /* and this is still there */
    assert_int_equal(unlinkat(fd, "keep", AT_REMOVEDIR), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_refused(void **unused)
{
    const struct mount_request request = { "none", "/proc/self/no/such", "tmpfs", 0, NULL };

    (void)unused;
    assert_int_equal(mount_make(&request), -ENOENT);
    assert_true(mount_move("/proc/self/no", "/proc/self/such") < 0);
    assert_true(mount_detach("/proc/self/no") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_folder),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
