/* On an ordinary folder: the layout of the files and every refusal. That the kernel's own
 * filesystem takes them is seen by the VM tests. */
#include "sys/efivars.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define FILE_NAME "BrochAttempts-" EFIVARS_GUID_BROCH

static char folder[] = "/tmp/efivars_test.XXXXXX";
static int folder_fd;

static void put(const void *bytes, size_t size)
{
    int fd = openat(folder_fd, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(close(fd), 0);
}

static int get(void *ret, size_t capacity)
{
    return efivars_read(folder_fd, EFIVARS_ATTEMPTS, EFIVARS_GUID_BROCH, ret, capacity);
}

static void test_read(void **unused)
{
    char value[4] = "same";

    (void)unused;
    assert_int_equal(get(value, sizeof(value)), -ENOENT);
    put("\7\0\0", 3);
    assert_int_equal(get(value, sizeof(value)), -EBADMSG);
    put("\7\0\0\0", 4);
    assert_int_equal(get(value, sizeof(value)), 0);
    put("\7\0\0\0abcde", 9);
    assert_int_equal(get(value, sizeof(value)), -ERANGE);
    assert_memory_equal(value, "same", 4);
    put("\7\0\0\0abcd", 8);
    assert_int_equal(get(value, sizeof(value)), 4);
    assert_memory_equal(value, "abcd", 4);
}

static void test_larger_than_any(void **unused)
{
    static char bytes[EFIVARS_VALUE_MAX + 5], value[EFIVARS_VALUE_MAX + 1];

    (void)unused;
    put(bytes, sizeof(bytes));
    assert_int_equal(get(value, sizeof(value)), -ERANGE);
}

static void test_write(void **unused)
{
    char value[EFIVARS_REASON_MAX], longest[EFIVARS_REASON_MAX];

    (void)unused;
    assert_int_equal(efivars_remove(folder_fd, EFIVARS_ATTEMPTS), 0);
    assert_int_equal(efivars_write(folder_fd, EFIVARS_ATTEMPTS, "\1", 1), 0);
    assert_int_equal(get(value, sizeof(value)), 1);
    assert_int_equal(value[0], 1);
    assert_int_equal(efivars_write(folder_fd, EFIVARS_ATTEMPTS, "\2", 1), 0);
    assert_int_equal(get(value, sizeof(value)), 1);
    assert_int_equal(value[0], 2);
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(efivars_write(folder_fd, EFIVARS_ATTEMPTS, longest, sizeof(longest)), 0);
    assert_int_equal(get(value, sizeof(value)), EFIVARS_REASON_MAX);
    assert_int_equal(efivars_remove(folder_fd, EFIVARS_ATTEMPTS), 0);
    assert_int_equal(get(value, sizeof(value)), -ENOENT);
    assert_int_equal(efivars_remove(folder_fd, EFIVARS_ATTEMPTS), 0);
}

static void test_global(void **unused)
{
    static const char longest[EFIVARS_VALUE_MAX] = { 1 };
    char value[EFIVARS_VALUE_MAX];

    (void)unused;
    assert_int_equal(efivars_remove_global(folder_fd, "BootOrder"), 0);
    assert_int_equal(efivars_write_global(folder_fd, "BootOrder", longest, sizeof(longest)), 0);
    assert_int_equal(
        efivars_read(folder_fd, "BootOrder", EFIVARS_GUID_GLOBAL, value, sizeof(value)),
        sizeof(value));
    /* A shorter one leaves nothing of the longer one. */
    assert_int_equal(efivars_write_global(folder_fd, "BootOrder", "\2\0\1", 4), 0);
    assert_int_equal(
        efivars_read(folder_fd, "BootOrder", EFIVARS_GUID_GLOBAL, value, sizeof(value)), 4);
    assert_memory_equal(value, "\2\0\1", 4);
    assert_int_equal(efivars_remove_global(folder_fd, "BootOrder"), 0);
    assert_int_equal(
        efivars_read(folder_fd, "BootOrder", EFIVARS_GUID_GLOBAL, value, sizeof(value)), -ENOENT);
    assert_int_equal(efivars_write_global(-1, "BootOrder", "\1", 1), -EBADF);
}

/* What is there already is not written again: a file that cannot be written shows it. */
static void test_unchanged(void **unused)
{
    struct stat before, after;

    (void)unused;
    assert_int_equal(efivars_write_global(folder_fd, "BootNext", "\1", 2), 0);
    assert_int_equal(fstatat(folder_fd, "BootNext-" EFIVARS_GUID_GLOBAL, &before, 0), 0);
    assert_int_equal(utimensat(folder_fd, "BootNext-" EFIVARS_GUID_GLOBAL,
                               (const struct timespec[2]){ { 0 }, { 0 } }, 0),
                     0);
    assert_int_equal(efivars_write_global(folder_fd, "BootNext", "\1", 2), 0);
    assert_int_equal(fstatat(folder_fd, "BootNext-" EFIVARS_GUID_GLOBAL, &after, 0), 0);
    assert_int_equal(after.st_mtim.tv_sec, 0);
    assert_int_equal(efivars_write_global(folder_fd, "BootNext", "\2", 2), 0);
    assert_int_equal(fstatat(folder_fd, "BootNext-" EFIVARS_GUID_GLOBAL, &after, 0), 0);
    assert_int_not_equal(after.st_mtim.tv_sec, 0);
    assert_int_equal(efivars_remove_global(folder_fd, "BootNext"), 0);
}

struct seen {
    unsigned count, orders;
};

static int see(const char *name, void *context)
{
    struct seen *seen = context;

    seen->count++;
    if (strcmp(name, "BootOrder") == 0)
        seen->orders++;
    return strcmp(name, "Boot0007") == 0 ? 77 : 0;
}

static void test_list(void **unused)
{
    struct seen seen = { 0 };

    (void)unused;
    assert_int_equal(efivars_write(folder_fd, EFIVARS_ATTEMPTS, "\1", 1), 0);
    assert_int_equal(efivars_write_global(folder_fd, "BootOrder", "\1", 2), 0);
    assert_int_equal(efivars_write_global(folder_fd, "Boot0001", "\1", 2), 0);
    assert_int_equal(efivars_list(folder_fd, EFIVARS_GUID_GLOBAL, see, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.orders, 1);
    assert_int_equal(efivars_list(folder_fd, EFIVARS_GUID_LOADER, see, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(efivars_write_global(folder_fd, "Boot0007", "\1", 2), 0);
    assert_int_equal(efivars_list(folder_fd, EFIVARS_GUID_GLOBAL, see, &seen), 77);
    assert_int_equal(efivars_remove_global(folder_fd, "Boot0007"), 0);
    assert_int_equal(efivars_remove_global(folder_fd, "Boot0001"), 0);
    assert_int_equal(efivars_remove_global(folder_fd, "BootOrder"), 0);
    assert_int_equal(efivars_remove(folder_fd, EFIVARS_ATTEMPTS), 0);
    assert_int_equal(efivars_list(-1, EFIVARS_GUID_GLOBAL, see, &seen), -EBADF);
}

/* Attributes in front, and everything in one write: the firmware judges it as a whole. */
static void test_signed(void **unused)
{
    static const char name[] = "dbx-" EFIVARS_GUID_BROCH;
    static const char *const wanted[] = { "\47\0\0\0value", "\147\0\0\0value" };
    char content[16];
    int fd;

    (void)unused;
    for (int append = 0; append < 2; append++) {
        assert_int_equal(
            efivars_write_signed(folder_fd, "dbx", EFIVARS_GUID_BROCH, append, "value", 5), 0);
        fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, content, sizeof(content)), 9);
        assert_int_equal(close(fd), 0);
        assert_memory_equal(content, wanted[append], 9);
    }
    assert_int_equal(unlinkat(folder_fd, name, 0), 0);
    assert_int_equal(efivars_write_signed(-1, "dbx", EFIVARS_GUID_BROCH, true, "value", 5), -EBADF);
}

static void test_bad_folder(void **unused)
{
    (void)unused;
    assert_int_equal(efivars_write(-1, EFIVARS_ATTEMPTS, "\1", 1), -EBADF);
    assert_int_equal(efivars_remove(-1, EFIVARS_ATTEMPTS), -EBADF);
    /* A link in the variable's place is not followed. */
    assert_int_equal(symlinkat("target", folder_fd, FILE_NAME), 0);
    assert_int_equal(efivars_write(folder_fd, EFIVARS_ATTEMPTS, "\1", 1), -ELOOP);
    assert_int_equal(unlinkat(folder_fd, FILE_NAME, 0), 0);
}

static int set_up(void **unused)
{
    (void)unused;
    if (!mkdtemp(folder))
        return -1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder_fd < 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    return close(folder_fd) < 0 || rmdir(folder) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_larger_than_any),
        cmocka_unit_test(test_write),     cmocka_unit_test(test_global),
        cmocka_unit_test(test_unchanged), cmocka_unit_test(test_list),
        cmocka_unit_test(test_signed),    cmocka_unit_test(test_bad_folder),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
