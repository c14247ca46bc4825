#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/skeleton.h"
#include "sys/file.h"

static void test_good_lines(void **state)
{
    struct failure f = FAILURE_NONE;
    struct skeleton_entry entry;
    const char *line = "d 2755 _chrony adm /var/log/chrony";

    assert_int_equal(skeleton_parse_line(line, strlen(line), &entry, &f), 0);
    assert_int_equal(entry.kind, SKELETON_FOLDER);
    assert_int_equal(entry.mode, 02755);
    assert_string_equal(entry.user, "_chrony");
    assert_string_equal(entry.group, "adm");
    assert_string_equal(entry.path, "/var/log/chrony");

    line = "f 0660 root utmp /var/log/btmp";
    assert_int_equal(skeleton_parse_line(line, strlen(line), &entry, &f), 0);
    assert_int_equal(entry.kind, SKELETON_FILE);
    assert_int_equal(entry.mode, 0660);

    line = "l /proc/self/fd/0 /dev/stdin";
    assert_int_equal(skeleton_parse_line(line, strlen(line), &entry, &f), 0);
    assert_int_equal(entry.kind, SKELETON_LINK);
    assert_string_equal(entry.target, "/proc/self/fd/0");
    assert_string_equal(entry.path, "/dev/stdin");
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *line;
        const char *said;
    } cases[] = {
        { "x 0755 root root /a", "unknown kind" },
        { "dd 0755 root root /a", "unknown kind" },
        { " ", "unknown kind" },
        { "d", "needs mode" },
        { "d 0755 root root", "needs mode" },
        { "d 0755 root root /a /b", "too many fields" },
        { "d  0755 root root /a", "too many fields" },
        { "d 755 root root /a", "bad mode" },
        { "d 0785 root root /a", "bad mode" },
        { "d -755 root root /a", "bad mode" },
        { "d 0755 ro/ot root /a", "bad user" },
        { "d 0755 _ root /a", "bad user" },
        { "d 0755 root ro:ot /a", "bad group" },
        { "d 0755 root root a", "bad path" },
        { "d 0755 root root /", "bad path" },
        { "d 0755 root root /a/", "bad path" },
        { "d 0755 root root //a", "bad path" },
        { "d 0755 root root /a/../b", "bad path" },
        { "d 0755 root root /a/./b", "bad path" },
        { "d 0755 root root /..", "bad path" },
        { "d 0755 root root /a\x01", "bad path" },
        { "l /a", "a link needs" },
        { "l /a /b /c", "a link needs" },
        { "l a /b", "bad target" },
        { "l /a b", "bad path" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct skeleton_entry entry;

        assert_int_equal(skeleton_parse_line(cases[i].line, strlen(cases[i].line), &entry, &f),
                         -EBADMSG);
        assert_int_equal(f.code, CODE_SKELETON);
        assert_ptr_equal(strstr(f.text, cases[i].said), f.text);
    }
}

static void test_long_path(void **state)
{
    char line[SKELETON_PATH_SIZE + 64] = "d 0755 root root /";
    struct failure f = FAILURE_NONE;
    struct skeleton_entry entry;
    size_t start = strlen(line), length = start + SKELETON_PATH_SIZE - 2;

    memset(line + start, 'a', SKELETON_PATH_SIZE);
    assert_int_equal(skeleton_parse_line(line, length, &entry, &f), 0);
    assert_int_equal(skeleton_parse_line(line, length + 1, &entry, &f), -EBADMSG);
}

/* No line makes the parser read or write out of bounds, whatever is cut off or changed. */
static void test_damaged_lines(void **state)
{
    static const char line[] = "d 2755 _chrony adm /var/log/chrony";
    struct failure f = FAILURE_NONE;
    struct skeleton_entry entry;

    for (size_t length = 0; length < sizeof(line); length++) {
        char *copy = malloc(length + 1);

        assert_non_null(copy);
        memcpy(copy, line, length);
        for (size_t i = 0; i < length; i++) {
            for (int bit = 0; bit < 8; bit++) {
                copy[i] = (char)(copy[i] ^ (1 << bit));
                if (skeleton_parse_line(copy, length, &entry, &f) == 0)
                    assert_null(strstr(entry.path, ".."));
                copy[i] = (char)(copy[i] ^ (1 << bit));
            }
        }
        free(copy);
    }
}

static int make_root(char *folder)
{
    int fd;

    assert_non_null(mkdtemp(folder));
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void test_making(void **state)
{
    char folder[] = "/tmp/skeleton-XXXXXX", target[64];
    int root = make_root(folder);
    struct failure f = FAILURE_NONE;
    struct skeleton_entry entry = { .kind = SKELETON_FOLDER, .mode = 01777, .path = "/tmp" };
    struct stat status;

    assert_int_equal(skeleton_make_entry(root, &entry, getuid(), getgid(), &f), 0);
    assert_int_equal(fstatat(root, "tmp", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 01777);
    entry.mode = 0755; /* what exists gets the mode of the list */
    assert_int_equal(skeleton_make_entry(root, &entry, getuid(), getgid(), &f), 0);
    assert_int_equal(fstatat(root, "tmp", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0755);

    entry = (struct skeleton_entry){ .kind = SKELETON_FILE, .mode = 0640, .path = "/tmp/file" };
    assert_int_equal(skeleton_make_entry(root, &entry, getuid(), getgid(), &f), 0);
    assert_int_equal(fstatat(root, "tmp/file", &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0640);

    entry = (struct skeleton_entry){ .kind = SKELETON_LINK, .target = "/run", .path = "/link" };
    assert_int_equal(skeleton_make_entry(root, &entry, 0, 0, &f), 0);
    assert_int_equal(skeleton_make_entry(root, &entry, 0, 0, &f), 0);
    assert_int_equal(readlinkat(root, "link", target, sizeof(target)), 4);

    /* A link in the place of a folder is never followed. */
    entry = (struct skeleton_entry){ .kind = SKELETON_FOLDER, .mode = 0700, .path = "/link" };
    assert_true(skeleton_make_entry(root, &entry, getuid(), getgid(), &f) < 0);
    entry.kind = SKELETON_FILE;
    assert_true(skeleton_make_entry(root, &entry, getuid(), getgid(), &f) < 0);
    entry = (struct skeleton_entry){ .kind = SKELETON_FOLDER, .mode = 0700, .path = "/a/b" };
    assert_int_equal(skeleton_make_entry(root, &entry, getuid(), getgid(), &f), -ENOENT);
    (void)close(root);
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

static int complaints;

static void count_complaint(const struct failure *f)
{
    complaints++;
}

static void test_missing_and_broken_list(void **state)
{
    static const char text[] = "# comment\n\nd 0755 root nosuchgroup /a\nrubbish\n"
                               "d 0755 nosuchuser root /a\n";
    char folder[] = "/tmp/skeleton-XXXXXX", path[64];
    int root = make_root(folder);
    struct failure f = FAILURE_NONE;

    (void)close(root);
    (void)snprintf(path, sizeof(path), "%s/list", folder);
    assert_int_equal(skeleton_make(path, count_complaint, &f), -ENOENT);
    assert_int_equal(file_write(path, text, strlen(text), 0644, &f), 0);
    assert_int_equal(skeleton_make(path, count_complaint, &f), 0);
    assert_int_equal(complaints, 3);
    assert_int_equal(file_remove_tree(folder, &f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines), cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_long_path),  cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_making),     cmocka_unit_test(test_missing_and_broken_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
