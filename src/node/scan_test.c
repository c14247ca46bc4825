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

#include "node/scan.h"
#include "sys/file.h"

static char root[] = "/tmp/scan-XXXXXX";
static char path_buffer[512];

static const char *path(const char *rest)
{
    (void)snprintf(path_buffer, sizeof(path_buffer), "%s/%s", root, rest);
    return path_buffer;
}

static int set_up(void **state)
{
    struct failure f;

    memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
    if (!mkdtemp(root) || mkdir(path("to"), 0755) < 0 ||
        file_make_folders(path("from/watchdog/data/deep"), &f) < 0 ||
        file_write(path("from/watchdog/run"), "#!run\n", 6, 0755, &f) < 0 ||
        file_write(path("from/watchdog/notification-fd"), "3\n", 2, 0644, &f) < 0 ||
        file_write(path("from/watchdog/data/deep/x"), "", 0, 0600, &f) < 0)
        return -1;
    return symlink("/usr/bin/true", path("from/watchdog/finish"));
}

static int tear_down(void **state)
{
    struct failure f;

    return file_remove_tree(root, &f);
}

static int make(const char *name, struct failure *f)
{
    char from[64], to[64];

    (void)snprintf(from, sizeof(from), "%s/from", root);
    (void)snprintf(to, sizeof(to), "%s/to", root);
    return scan_make(from, to, name, f);
}

static mode_t mode_of(const char *rest)
{
    struct stat status;

    return lstat(path(rest), &status) < 0 ? 0 : status.st_mode;
}

static void test_copies_one(void **state)
{
    struct failure f = FAILURE_NONE;
    char target[64] = "";
    uint8_t *bytes;
    size_t size;

    assert_int_equal(mkdir(path("from/unlisted"), 0755), 0);
    assert_int_equal(make("watchdog", &f), 0);
    assert_int_equal(mode_of("to/watchdog/run"), S_IFREG | 0755);
    assert_int_equal(mode_of("to/watchdog/notification-fd"), S_IFREG | 0644);
    assert_int_equal(mode_of("to/watchdog/data/deep/x"), S_IFREG | 0600);
    assert_int_equal(mode_of("to/watchdog/supervise"), S_IFDIR | 0755);
    assert_int_equal(mode_of("to/unlisted"), 0);
    assert_int_equal(readlink(path("to/watchdog/finish"), target, sizeof(target) - 1), 13);
    assert_string_equal(target, "/usr/bin/true");
    assert_int_equal(file_read(path("to/watchdog/run"), 64, &bytes, &size, &f), 0);
    assert_memory_equal(bytes, "#!run\n", 7);
    free(bytes);
}

static void test_control_links(void **state)
{
    static const char *const names[] = { "finish",  "crash",   "SIGTERM", "SIGINT",
                                         "SIGUSR1", "SIGUSR2", "SIGPWR" };
    struct failure f = FAILURE_NONE;

    assert_int_equal(make("watchdog", &f), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char target[64] = "", rest[64];

        (void)snprintf(rest, sizeof(rest), "to/.s6-svscan/%s", names[i]);
        assert_true(readlink(path(rest), target, sizeof(target) - 1) > 0);
        assert_string_equal(target, "/usr/lib/broch/halt");
    }
    /* A scan directory that is in use is never made a second time. */
    assert_int_equal(make("watchdog", &f), -EEXIST);
}

static void test_bad_service(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(mkdir(path("from/fifo"), 0755), 0);
    assert_int_equal(mkfifo(path("from/fifo/run"), 0755), 0);
    assert_int_equal(make("fifo", &f), -EINVAL);
    assert_int_equal(f.code, CODE_INIT_SERVICES);
    assert_non_null(strstr(f.text, "service 'fifo'"));
}

static void test_missing_service(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(make("missing", &f), -ENOENT);
}

static void test_limits(void **state)
{
    struct failure f = FAILURE_NONE;
    char *large = calloc(1, SCAN_FILE_SIZE_MAX + 1);

    assert_non_null(large);
    assert_int_equal(
        file_write(path("from/watchdog/large"), large, SCAN_FILE_SIZE_MAX + 1, 0644, &f), 0);
    free(large);
    assert_int_equal(make("watchdog", &f), -ERANGE);
}

static void test_depth(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(file_make_folders(path("from/watchdog/data/deep/1/2"), &f), 0);
    assert_int_equal(make("watchdog", &f), -ERANGE);
}

static void test_no_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    assert_int_equal(scan_make("/nonexistent", root, "watchdog", &f), -ENOENT);
    assert_int_equal(scan_make(root, "/nonexistent", "watchdog", &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
