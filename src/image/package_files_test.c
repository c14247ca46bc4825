#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/package_files.h"
#include "sys/file.h"

static void add(struct package_files *p, const char *name, const char *list)
{
    assert_int_equal(package_files_add(p, name, (const uint8_t *)list, strlen(list)), 0);
}

static void test_names(void **state)
{
    _cleanup_package_files_ struct package_files p = PACKAGE_FILES_INIT;

    add(&p, "dash.list", "/.\n/bin/dash\n/usr/share/doc/dash\n");
    add(&p, "libc6:amd64.list", "/usr/lib/x86_64-linux-gnu/libc.so.6\n/usr/lib64/ld.so\n");
    package_files_sort(&p);
    assert_string_equal(package_files_find(&p, "usr/bin/dash"), "dash");
    assert_string_equal(package_files_find(&p, "bin/dash"), "dash");
    assert_string_equal(package_files_find(&p, "lib/x86_64-linux-gnu/libc.so.6"), "libc6");
    assert_string_equal(package_files_find(&p, "lib64/ld.so"), "libc6");
    assert_null(package_files_find(&p, "usr/bin/das"));
    assert_null(package_files_find(&p, "usr/bin/dash2"));
    assert_null(package_files_find(&p, ""));
}

/* The answer does not depend on the order in which the lists come. */
static void test_two_packages(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        _cleanup_package_files_ struct package_files p = PACKAGE_FILES_INIT;

        add(&p, turn == 0 ? "b.list" : "a.list", "/etc/x\n");
        add(&p, turn == 0 ? "a.list" : "b.list", "/etc/x\n");
        package_files_sort(&p);
        assert_string_equal(package_files_find(&p, "etc/x"), "a");
    }
}

static void test_none(void **state)
{
    _cleanup_package_files_ struct package_files p = PACKAGE_FILES_INIT;

    package_files_sort(&p);
    assert_null(package_files_find(&p, "etc/x"));
}

static void test_folder(void **state)
{
    _cleanup_package_files_ struct package_files p = PACKAGE_FILES_INIT;
    char root[] = "/tmp/package-files-XXXXXX", path[128];
    struct failure f = FAILURE_NONE;

    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%s/var/lib/dpkg/info/one.list", root);
    assert_int_equal(file_make_parent(path, &f), 0);
    assert_int_equal(file_write(path, "/usr/bin/one\n", 13, 0644, &f), 0);
    (void)snprintf(path, sizeof(path), "%s/var/lib/dpkg/info/one.md5sums", root);
    assert_int_equal(file_write(path, "/usr/bin/two\n", 13, 0644, &f), 0);
    assert_int_equal(package_files_of_folder(root, &p, &f), 0);
    assert_string_equal(package_files_find(&p, "usr/bin/one"), "one");
    assert_null(package_files_find(&p, "usr/bin/two"));
    assert_int_equal(file_remove_tree(root, &f), 0);
    assert_true(package_files_of_tar(path, &p, &f) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_two_packages),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
