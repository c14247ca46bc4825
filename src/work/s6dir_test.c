#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/file.h"
#include "work/s6dir.h"

#define BASE "name = 'time'\ndescription = 'Keeps the clock'\nrun = ['/usr/sbin/chronyd', '-d']\n"

static void parse(const char *text, struct service_manifest *ret)
{
    struct failure f = FAILURE_NONE;

    if (service_manifest_parse("time.toml", "time", text, strlen(text), ret, &f) < 0)
        fail_msg("%s", f.text);
}

struct expected {
    const char *path;
    mode_t mode;
    const char *content;
};

/* Exactly these files. */
static void check(const char *text, const struct expected *expected, size_t count)
{
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;

    parse(text, &manifest);
    s6dir_render(&manifest, &files);
    assert_int_equal(files.error, 0);
    for (size_t i = 0; i < count; i++) {
        const struct work_file *file = work_files_find(&files, expected[i].path);

        if (!file)
            fail_msg("there is no '%s'", expected[i].path);
        assert_string_equal(file->content, expected[i].content);
        assert_int_equal(file->mode, expected[i].mode);
    }
    assert_int_equal(files.count, count);
}

static void test_daemon(void **state)
{
    static const struct expected expected[] = {
        { "run", 0755, "#!/usr/lib/broch/confine time\n" },
        { "notification-fd", 0644, "3\n" },
        { "down", 0644, "" },
        { "down-signal", 0644, "SIGTERM\n" },
        { "timeout-kill", 0644, "5000\n" },
        { "log/run", 0755,
          "#!/usr/lib/execline/bin/execlineb -P\n/usr/bin/s6-setuidgid broch-log\n"
          "/usr/bin/s6-log -b -d 3 -- n4 s262144 S1048576 T /var/log/broch/time\n" },
        { "log/notification-fd", 0644, "3\n" },
    };

    (void)state;
    check(BASE, expected, ARRAY_SIZE(expected));
}

static void test_all_said(void **state)
{
    static const struct expected expected[] = {
        { "run", 0755, "#!/usr/lib/broch/confine time\n" },
        { "notification-fd", 0644, "3\n" },
        { "down", 0644, "" },
        { "down-signal", 0644, "SIGINT\n" },
        { "timeout-kill", 0644, "500\n" },
        { "finish", 0755,
          "#!/usr/lib/execline/bin/execlineb -S1\n"
          "/usr/lib/execline/bin/ifelse -X { /usr/lib/execline/bin/eltest ${1} -eq 0 } "
          "{ /usr/lib/execline/bin/exit 125 }\n/usr/lib/execline/bin/exit 0\n" },
        { "log/run", 0755,
          "#!/usr/lib/execline/bin/execlineb -P\n/usr/bin/s6-setuidgid broch-log\n"
          "/usr/bin/s6-log -b -d 3 -- n4 s65536 S262144 T /var/log/broch/time\n" },
        { "log/notification-fd", 0644, "3\n" },
    };

    (void)state;
    check(BASE "[stop]\nsignal = 'INT'\nwithin = '500ms'\n[restart]\npolicy = 'on-failure'\n"
               "[log]\nsize = '256KiB'\n",
          expected, ARRAY_SIZE(expected));
}

static void test_never(void **state)
{
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    _cleanup_work_files_ struct work_files files = WORK_FILES_INIT;

    (void)state;
    parse(BASE "kind = 'once'\n[restart]\npolicy = 'never'\n", &manifest);
    s6dir_render(&manifest, &files);
    assert_string_equal(work_files_find(&files, "finish")->content,
                        "#!/usr/lib/execline/bin/execlineb -P\n/usr/lib/execline/bin/exit 125\n");
}

static char root[] = "/tmp/broch-s6dir-XXXXXX";

static int enter(void **state)
{
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    return mkdtemp(root) && chdir(root) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    struct failure f = FAILURE_NONE;

    return chdir("/") == 0 ? file_remove_tree(root, &f) : -1;
}

/* A directory whose supervisor lives keeps all that is not ours, and gets what changed. */
static void test_write(void **state)
{
    _cleanup_service_manifest_ struct service_manifest first = { .name = NULL };
    _cleanup_service_manifest_ struct service_manifest second = { .name = NULL };
    struct failure f = FAILURE_NONE;
    uint8_t *bytes;
    size_t size;

    (void)state;
    parse(BASE, &first);
    parse(BASE "[stop]\nsignal = 'INT'\n", &second);
    assert_int_equal(s6dir_write(&first, "scan", &f), 0);
    assert_int_equal(access("scan/time/run", X_OK), 0);
    assert_int_equal(access("scan/time/log/run", X_OK), 0);
    assert_int_equal(file_make_folders("scan/time/supervise", &f), 0);
    assert_int_equal(s6dir_write(&second, "scan", &f), 0);
    assert_int_equal(access("scan/time/supervise", X_OK), 0);
    assert_int_equal(file_read("scan/time/down-signal", 64, &bytes, &size, &f), 0);
    assert_string_equal((char *)bytes, "SIGINT\n");
    free(bytes);
}

static void test_not_written(void **state)
{
    _cleanup_service_manifest_ struct service_manifest manifest = { .name = NULL };
    struct failure f = FAILURE_NONE;

    (void)state;
    parse(BASE, &manifest);
    assert_int_equal(file_write("scan", "x", 1, 0644, &f), 0);
    assert_true(s6dir_write(&manifest, "scan", &f) < 0);
    assert_int_equal(f.code, CODE_INIT_SERVICES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daemon),
        cmocka_unit_test(test_all_said),
        cmocka_unit_test(test_never),
        cmocka_unit_test_setup_teardown(test_write, enter, leave),
        cmocka_unit_test_setup_teardown(test_not_written, enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
