#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"

static char folder[] = "/tmp/broch-file-test.XXXXXX";

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

static void test_write_and_read(void **state)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    struct stat status;
    size_t size;

    (void)state;
    assert_int_equal(file_write("a", "one", 3, 0600, &f), 0);
    assert_int_equal(file_write("a", "second", 6, 0640, &f), 0);
    assert_int_equal(file_read("a", 6, &bytes, &size, &f), 0);
    assert_int_equal(size, 6);
    assert_string_equal((char *)bytes, "second");
    assert_int_equal(stat("a", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void test_read_refuses(void **state)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    assert_int_equal(file_read("missing", 10, &bytes, &size, &f), -ENOENT);
    assert_non_null(strstr(f.text, "missing"));
    assert_int_equal(file_read(".", 10, &bytes, &size, &f), -EISDIR);
    assert_int_equal(file_write("long", "0123456789", 10, 0600, &f), 0);
    assert_int_equal(file_read("long", 9, &bytes, &size, &f), -ERANGE);
    assert_null(bytes);
}

static void test_write_leaves_no_temporary(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(mkdir("occupied", 0700), 0);
    assert_int_equal(mkdir("occupied/x", 0700), 0);
    assert_true(file_write("occupied", "x", 1, 0600, &f) < 0); /* a folder stands in the way */
    assert_true(file_write("no/such/folder", "x", 1, 0600, &f) < 0);
}

static int count_new(const char *where, const char *name, void *context, struct failure *f)
{
    (void)where;
    (void)f;
    if (strstr(name, ".new."))
        ++*(int *)context;
    return 0;
}

static void test_no_temporary_is_left(void **state)
{
    struct failure f = FAILURE_NONE;
    int count = 0;

    test_write_leaves_no_temporary(state);
    assert_int_equal(file_list(".", count_new, &count, &f), 0);
    assert_int_equal(count, 0);
}

static void test_sync_parent(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_write("synced", "x", 1, 0600, &f), 0);
    assert_int_equal(file_sync_parent("synced", &f), 0);
    assert_int_equal(file_sync_parent("./synced", &f), 0);
    assert_int_equal(file_sync_parent("/tmp", &f), 0);
    assert_int_equal(file_sync_parent("no-folder/file", &f), -ENOENT);
    assert_int_equal(file_sync_parent("synced/file", &f), -ENOTDIR);
}

static void test_copy_keeps_holes(void **state)
{
    struct failure f = FAILURE_NONE;
    struct stat status;
    char byte = 0;
    int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 64 << 20), 0);
    assert_int_equal(pwrite(fd, "x", 1, 32 << 20), 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_copy("sparse", "copy", 0600, &f), 0);
    assert_int_equal(stat("copy", &status), 0);
    assert_int_equal(status.st_size, 64 << 20);
    assert_true(status.st_blocks * 512 < 1 << 20);
    fd = open("copy", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 32 << 20), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_copy("missing", "copy2", 0600, &f), -ENOENT);
}

/* From a memory filesystem to the disk: what the kernel does not copy by itself. */
static void test_copy_between_filesystems(void **state)
{
    static const char path[] = "/dev/shm/broch-file-test";
    char disk_folder[] = "/var/tmp/broch-file-test.XXXXXX";
    _cleanup_free_ char *disk_path = NULL;
    static const char content[] = "from one filesystem to another";
    struct failure f = FAILURE_NONE;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct stat here, there;
    size_t size;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0 && mkdtemp(disk_folder));
    disk_path = text_make("%s/copy", disk_folder);
    assert_non_null(disk_path);
    assert_int_equal(pwrite(fd, content, sizeof(content), 1 << 20), sizeof(content));
    assert_int_equal(fstat(fd, &there), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(stat(disk_folder, &here), 0);
    if (here.st_dev == there.st_dev)
        fail_msg("/dev/shm and %s are one filesystem: this proves nothing", disk_folder);
    assert_int_equal(file_copy(path, disk_path, 0600, &f), 0);
    assert_int_equal(file_read(disk_path, 2 << 20, &bytes, &size, &f), 0);
    assert_int_equal(size, (1 << 20) + sizeof(content));
    assert_memory_equal(bytes + (1 << 20), content, sizeof(content));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_remove_tree(disk_folder, &f), 0);
}

static int append_name(const char *where, const char *name, void *context, struct failure *f)
{
    (void)where;
    (void)f;
    assert_true(strlen(context) < 100);
    memcpy((char *)context + strlen(context), name, strlen(name) + 1);
    return 0;
}

static void test_folders(void **state)
{
    struct failure f = FAILURE_NONE;
    char names[200] = "";

    (void)state;
    assert_int_equal(file_make_folders("d/e/f", &f), 0);
    assert_int_equal(file_make_folders("d/e/f", &f), 0);
    assert_int_equal(file_make_parent("d/g/file", &f), 0);
    assert_true(file_exists("d/g"));
    assert_int_equal(file_write("d/B", "", 0, 0600, &f), 0);
    assert_int_equal(file_list("d", append_name, names, &f), 0);
    assert_string_equal(names, "Beg");
    assert_int_equal(file_make_folders("", &f), -ENOENT);
    assert_int_equal(file_make_folders("/", &f), 0);
    assert_int_equal(file_write("plain", "", 0, 0600, &f), 0);
    assert_true(file_make_folders("plain/below", &f) < 0);
    assert_int_equal(file_list("nowhere", append_name, names, &f), -ENOENT);
}

static void test_remove_does_not_follow_links(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(file_make_folders("outside", &f), 0);
    assert_int_equal(file_write("outside/kept", "", 0, 0600, &f), 0);
    assert_int_equal(file_make_folders("tree/deep", &f), 0);
    assert_int_equal(symlink("../outside", "tree/link"), 0);
    assert_int_equal(file_remove_tree("tree", &f), 0);
    assert_false(file_exists("tree"));
    assert_true(file_exists("outside/kept"));
    assert_int_equal(file_remove_tree("tree", &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_read_refuses),
        cmocka_unit_test(test_no_temporary_is_left),
        cmocka_unit_test(test_sync_parent),
        cmocka_unit_test(test_copy_keeps_holes),
        cmocka_unit_test(test_copy_between_filesystems),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_remove_does_not_follow_links),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
