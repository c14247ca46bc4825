#include "disk/subvolume.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/test_btrfs.h"

static void test_life(void **unused)
{
    struct test_btrfs b;
    int source;

    (void)unused;
    if (!test_btrfs_make(&b))
        skip();
    assert_int_equal(subvolume_create(b.fd, "@var"), 0);
    assert_int_equal(subvolume_create(b.fd, "@var"), -EEXIST);
    source = openat(b.fd, "@var", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(source, "before", 0755), 0);
    assert_int_equal(subvolume_snapshot(source, b.fd, "copy"), 0);
    assert_int_equal(mkdirat(source, "after", 0755), 0);
    assert_int_equal(faccessat(b.fd, "copy/before", F_OK, 0), 0);
    assert_true(faccessat(b.fd, "copy/after", F_OK, 0) < 0);
    assert_true(mkdirat(b.fd, "copy/more", 0755) < 0);
    assert_int_equal(errno, EROFS);
    assert_int_equal(subvolume_delete(b.fd, "copy"), 0);
    assert_true(faccessat(b.fd, "copy", F_OK, 0) < 0);
    assert_int_equal(subvolume_delete(b.fd, "copy"), 0);
    assert_int_equal(close(source), 0);
    test_btrfs_remove(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_life) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
