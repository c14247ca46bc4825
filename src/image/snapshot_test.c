#include "image/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "trust/digest.h"
#include "sys/test_folder.h"
#include "sys/file.h"

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_remove_tree("s", &f), 0);
    assert_int_equal(file_remove_tree("c", &f), 0);
    test_folder_write("s/a", "one");
    test_folder_write("s/d/b", "two");
    assert_int_equal(chmod("s/d/b", 0700), 0);
    assert_int_equal(symlink("a", "s/l"), 0);
    return 0;
}

static void update(void)
{
    struct failure f = FAILURE_NONE;
    struct digest source, copy;

    assert_int_equal(snapshot_update("s", "c", &f), 0);
    assert_int_equal(digest_tree("s", &source, &f), 0);
    assert_int_equal(digest_tree("c", &copy, &f), 0);
    assert_memory_equal(&source, &copy, sizeof(source));
}

static struct timespec time_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mtim;
}

static void test_equal(void **state)
{
    struct stat status;

    (void)state;
    update();
    assert_int_equal(stat("c/d/b", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0755);
    assert_int_equal(stat("c/a", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
}

/* Each kind of change, and that the copy is equal afterwards. */
static void test_changes(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    update();
    test_folder_write("s/a", "One"); /* of the same length */
    update();
    assert_int_equal(chmod("s/a", 0755), 0);
    update();
    assert_int_equal(unlink("s/l"), 0);
    assert_int_equal(symlink("bb", "s/l"), 0);
    update();
    assert_int_equal(unlink("s/l"), 0);
    test_folder_write("s/l", "a file in the place of a link");
    update();
    assert_int_equal(file_remove_tree("s/d", &f), 0);
    update();
    assert_int_equal(unlink("s/a"), 0);
    test_folder_write("s/a/b/c", "a folder in the place of a file");
    update();
    assert_int_equal(file_remove_tree("s/a", &f), 0);
    assert_int_equal(symlink("l", "s/a"), 0);
    update();
    test_folder_write("c/more/of", "somebody else");
    update();
    test_folder_write("c/l", "changed in the copy");
    update();
}

/* Only what changed gets a new time, and it is the present one whatever the source's. */
static void test_times(void **state)
{
    static const struct timespec old[2] = { { 1, 0 }, { 1, 0 } };
    struct timespec now;

    (void)state;
    update();
    assert_int_equal(utimensat(AT_FDCWD, "c/a", old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, "c/d/b", old, 0), 0);
    test_folder_write("s/a", "new");
    assert_int_equal(utimensat(AT_FDCWD, "s/a", old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, "s/d/b", NULL, 0), 0); /* touched, not changed */
    update();
    now = time_of("c/a");
    assert_true(now.tv_sec > 1);
    now = time_of("c/d/b");
    assert_int_equal(now.tv_sec, 1);
}

static void test_failures(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(snapshot_update("missing", "c", &f), -ENOENT);
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(mkfifo("s/pipe", 0600), 0);
    assert_int_equal(snapshot_update("s", "c", &f), -EINVAL);
    assert_int_equal(f.code, CODE_SCHEMA);
    assert_int_equal(snapshot_update("s/a", "no/such/folder", &f), -ENOENT);
    assert_int_equal(snapshot_update("s/a", "file", &f), 0);
    assert_int_equal(snapshot_update("s/d", "file", &f), 0); /* replaced by a folder */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equal, reset),
        cmocka_unit_test_setup(test_changes, reset),
        cmocka_unit_test_setup(test_times, reset),
        cmocka_unit_test_setup(test_failures, reset),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
