#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "work/files.h"

static int enter(void **state)
{
    static char root[] = "/tmp/broch-files-XXXXXX";

    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    *state = mkdtemp(root);
    return *state && chdir(root) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    struct failure f = FAILURE_NONE;

    return chdir("/") == 0 ? file_remove_tree(*state, &f) : -1;
}

static void check_file(const char *path, mode_t mode, const char *content)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    struct stat status;
    size_t size;

    assert_int_equal(file_read(path, 1024, &bytes, &size, &f), 0);
    assert_string_equal((char *)bytes, content);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
}

static void test_list(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;

    (void)state;
    work_files_add(&files, "", "run", 0755, "%s %d\n", "x", 7);
    work_files_add(&files, "log", "run", 0755, "y\n");
    work_files_add(&files, "", "down", 0644, "%s", "");
    assert_int_equal(files.error, 0);
    assert_int_equal(files.count, 3);
    assert_string_equal(work_files_find(&files, "run")->content, "x 7\n");
    assert_string_equal(work_files_find(&files, "log/run")->content, "y\n");
    assert_string_equal(work_files_find(&files, "down")->content, "");
    assert_null(work_files_find(&files, "log"));
}

/* An error is kept, whatever is added after it, and nothing is written. */
static void test_error_is_kept(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct failure f = FAILURE_NONE;
    char name[WORK_FILE_PATH_MAX + 1];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    work_files_add(&files, "", "run", 0755, "x\n");
    work_files_add(&files, "", name, 0755, "x\n");
    work_files_add(&files, "", "down", 0755, "x\n");
    assert_int_equal(files.error, -ENAMETOOLONG);
    assert_int_equal(files.count, 1);
    assert_int_equal(work_files_write(&files, "out", &f), -ENAMETOOLONG);
    assert_false(file_exists("out"));
    assert_int_equal(work_files_create(&files, "out", &f), -ENAMETOOLONG);
    assert_false(file_exists("out"));
    assert_false(file_exists(".out.new"));
}

static void test_create(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    work_files_add(&files, "", "run", 0755, "x\n");
    work_files_add(&files, "log", "run", 0700, "y\n");
    /* Half of an earlier try lies in the way. */
    assert_int_equal(file_make_folders("scan/.x.new/old", &f), 0);
    assert_int_equal(work_files_create(&files, "scan/x", &f), 0);
    check_file("scan/x/run", 0755, "x\n");
    check_file("scan/x/log/run", 0700, "y\n");
    assert_false(file_exists("scan/x/old"));
    assert_false(file_exists("scan/.x.new"));
    assert_int_equal(work_files_create(&files, "scan/x", &f), -EEXIST);
    assert_false(file_exists("scan/.x.new"));
    check_file("scan/x/run", 0755, "x\n");
}

static void test_write_over(void **state)
{
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_make_folders("x/supervise", &f), 0);
    assert_int_equal(file_write("x/run", "old\n", 4, 0600, &f), 0);
    work_files_add(&files, "", "run", 0755, "new\n");
    work_files_add(&files, "log", "run", 0755, "y\n");
    assert_int_equal(work_files_write(&files, "x", &f), 0);
    check_file("x/run", 0755, "new\n");
    check_file("x/log/run", 0755, "y\n");
    assert_true(file_exists("x/supervise"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test_setup_teardown(test_error_is_kept, enter, leave),
        cmocka_unit_test_setup_teardown(test_create, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_over, enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
