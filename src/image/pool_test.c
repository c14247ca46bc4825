#include "image/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/test_folder.h"
#include "sys/file.h"

static struct progress progress;

static int enter(void **state)
{
    _cleanup_free_ char *mirror = NULL, *path = NULL;

    progress_start(&progress, -1, true);
    if (test_folder_enter(state) < 0)
        return -1;
    mirror = text_make("file://%s/mirror/{archive}", test_folder_path());
    path = text_make("%s/bin:%s", test_folder_path(), getenv("PATH"));
    return setenv("BROCH_MIRROR", mirror, 1) < 0 || setenv("PATH", path, 1) < 0 ? -1 : 0;
}

/* Two packages, one from each archive, and a kernel. */
static const struct {
    enum lock_role role;
    enum lock_archive archive;
    const char *name, *path, *content;
} packages[] = {
    { LOCK_ROLE_SYSTEM, LOCK_ARCHIVE_MAIN, "apt", "pool/apt.deb", "bytes of apt" },
    { LOCK_ROLE_KERNEL, LOCK_ARCHIVE_MAIN, "linux-image-6", "pool/linux.deb", "kernel" },
    { LOCK_ROLE_SYSTEM, LOCK_ARCHIVE_SECURITY, "zlib1g", "pool/zlib.deb", "bytes of zlib" },
};

static void make_lock(struct lock *lock)
{
    for (size_t i = 0; i < ARRAY_SIZE(packages); i++) {
        struct lock_package package = { .role = packages[i].role,
                                        .archive = packages[i].archive,
                                        .version = "1",
                                        .arch = "amd64",
                                        .size = strlen(packages[i].content) };

        (void)snprintf(package.name, sizeof(package.name), "%s", packages[i].name);
        (void)snprintf(package.path, sizeof(package.path), "%s", packages[i].path);
        package.digest = digest_bytes(packages[i].content, strlen(packages[i].content));
        assert_int_equal(lock_add(lock, &package), 0);
    }
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("mirror/debian/pool/apt.deb", packages[0].content);
    test_folder_write("mirror/debian/pool/linux.deb", packages[1].content);
    test_folder_write("mirror/debian-security/pool/zlib.deb", packages[2].content);
    return file_remove_tree("cache", &f);
}

static void test_fill(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    for (size_t i = 0; i < lock.package_count; i++) {
        _cleanup_free_ char *path = NULL, *content = NULL;

        assert_int_equal(pool_path(&lock.packages[i], &path, &f), 0);
        content = test_folder_read(path);
        assert_string_equal(content, packages[i].content);
    }
    assert_int_equal(file_remove_tree("mirror", &f), 0); /* everything is there: nobody asks */
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    assert_int_equal(pool_fill(&lock, true, &progress, &f), 0);
}

static void test_offline(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(pool_fill(&lock, true, &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_OFFLINE);
    assert_non_null(strstr(f.text, "package apt 1"));
}

static void test_gone(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(unlink("mirror/debian-security/pool/zlib.deb"), 0);
    assert_int_equal(pool_fill(&lock, false, &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_PACKAGE_GONE);
    assert_non_null(strstr(f.text, "package zlib1g 1"));
}

/* A cached file that rotted is fetched again; offline it is missing, never used. */
static void test_rotten(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    _cleanup_free_ char *path = NULL, *content = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    assert_int_equal(pool_path(&lock.packages[0], &path, &f), 0);
    test_folder_write(path, "Bytes of apt");
    assert_int_equal(pool_fill(&lock, true, &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_OFFLINE);
    test_folder_write(path, "");
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    content = test_folder_read(path);
    assert_string_equal(content, packages[0].content);
}

/* Whether the package is in the cache must not decide whether a wrong lock is noticed. */
static void test_wrong_size(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    lock.packages[0].size++;
    assert_int_equal(pool_fill(&lock, false, &progress, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_LOCK_HASH);
    lock.packages[0].size--;
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    lock.packages[0].size++;
    assert_int_equal(pool_fill(&lock, true, &progress, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_LOCK_HASH);
    assert_non_null(strstr(f.text, "has 12 bytes, the lock says 13"));
}

static void test_no_mirror(void **state)
{
    _cleanup_free_ char *former = strdup(getenv("BROCH_MIRROR")), *path = strdup(getenv("PATH"));
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(unsetenv("BROCH_MIRROR"), 0);
    assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
    assert_int_equal(pool_fill(&lock, false, &progress, &f), -EINVAL);
    assert_int_equal(f.code, CODE_DOWNLOAD);
    assert_int_equal(setenv("BROCH_MIRROR", former, 1), 0);
    assert_int_equal(setenv("PATH", path, 1), 0);
}

/* Several builds with one empty cache: each ends with all packages, whole. */
static void test_builds_at_once(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    pid_t children[6];
    int status;

    (void)state;
    make_lock(&lock);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct failure f = FAILURE_NONE;

            _exit(pool_fill(&lock, false, &progress, &f) == 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(test_folder_count("cache/packages"), ARRAY_SIZE(packages) + 1); /* the guard */
}

static void test_archive(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    _cleanup_free_ char *index = NULL, *link = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    test_folder_write("bin/dpkg-deb", "#!/bin/sh\nprintf 'Package: x\\nVersion: 1\\n'\n");
    assert_int_equal(chmod("bin/dpkg-deb", 0755), 0);
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    test_folder_write("flat/left-over", "of a former build");
    assert_int_equal(pool_archive(&lock, "flat", &f), 0);
    assert_int_equal(test_folder_count("flat"), 3); /* no kernel, nothing left over */
    index = test_folder_read("flat/Packages");
    assert_non_null(
        strstr(index, "Package: x\nVersion: 1\nFilename: ./apt.deb\nSize: 12\nSHA256: "));
    assert_non_null(strstr(index, "Filename: ./zlib1g.deb\nSize: 13\n"));
    link = test_folder_read("flat/apt.deb");
    assert_string_equal(link, packages[0].content);
}

static void test_archive_fails(void **state)
{
    _cleanup_lock_ struct lock lock = LOCK_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    make_lock(&lock);
    assert_int_equal(pool_archive(&lock, "flat", &f), -ENOENT); /* the pool is empty */
    assert_int_equal(pool_fill(&lock, false, &progress, &f), 0);
    test_folder_write("bin/dpkg-deb", "#!/bin/sh\nexit 2\n");
    assert_int_equal(chmod("bin/dpkg-deb", 0755), 0);
    assert_true(pool_archive(&lock, "flat", &f) < 0);
    assert_int_equal(f.code, CODE_STEP_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fill, reset),
        cmocka_unit_test_setup(test_offline, reset),
        cmocka_unit_test_setup(test_gone, reset),
        cmocka_unit_test_setup(test_rotten, reset),
        cmocka_unit_test_setup(test_wrong_size, reset),
        cmocka_unit_test_setup(test_no_mirror, reset),
        cmocka_unit_test_setup(test_builds_at_once, reset),
        cmocka_unit_test_setup(test_archive, reset),
        cmocka_unit_test_setup(test_archive_fails, reset),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
