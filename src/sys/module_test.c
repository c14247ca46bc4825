/* Refusals only: a test must not load modules into the machine that it runs on. */
#include "sys/module.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void test_refused(void **unused)
{
    char folder[] = "/tmp/module_test.XXXXXX";
    int fd;

    (void)unused;
    assert_non_null(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(module_load(fd, "none.ko"), -ENOENT);
    assert_int_equal(module_load(-1, "none.ko"), -EBADF);
    assert_int_equal(symlinkat("/dev/null", fd, "link.ko"), 0);
    assert_int_equal(module_load(fd, "link.ko"), -ELOOP);
    assert_int_equal(mkdirat(fd, "folder.ko", 0700), 0);
    assert_true(module_load(fd, "folder.ko") < 0);
    assert_int_equal(unlinkat(fd, "link.ko", 0), 0);
    assert_int_equal(unlinkat(fd, "folder.ko", AT_REMOVEDIR), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
