#include "sys/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sys/file.h"

static char folder[] = "/tmp/broch-lockfile-test.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    return chdir("/") == 0 ? file_remove_tree(folder, &f) : -1;
}

static void test_held(void **state)
{
    struct failure f = FAILURE_NONE;
    struct stat status;
    int fd = -1, second = -1;

    (void)state;
    assert_int_equal(lockfile_take("lock", false, &fd, &f), 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(stat("lock", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(lockfile_take("lock", false, &second, &f), -EWOULDBLOCK);
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(second, -1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(lockfile_take("lock", false, &second, &f), 0);
    assert_int_equal(close(second), 0);
    assert_int_equal(lockfile_take("no/folder/lock", true, &second, &f), -ENOENT);
}

/* The lock goes with its holder, however that ends; who waits for it goes on then. */
static void test_holder_ends(void **state)
{
    struct failure f = FAILURE_NONE;
    int ready[2], fd = -1;
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (lockfile_take("lock", false, &fd, &f) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(lockfile_take("lock", false, &fd, &f), -EWOULDBLOCK);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(lockfile_take("lock", true, &fd, &f), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(ready[0]), 0);
    assert_int_equal(close(ready[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_holder_ends),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
