#include "update/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/test_folder.h"
#include "sys/test_server.h"

#define NAME "v0.2.0-node-x86_64"

static const char body[] = "all the bytes of the boot file, which come in many pieces";

static const struct source_kind kind = { "node", "x86_64" };
static struct progress progress;
static struct stage stage = STAGE_INIT;

static struct manifest_file wanted(void)
{
    struct manifest_file file = { .name = "linux.efi",
                                  .size = strlen(body),
                                  .digest = digest_bytes(body, strlen(body)) };

    return file;
}

static int fetch_from(const char *from, struct failure *f)
{
    const struct manifest_file file = wanted();
    struct source source = { .place = NULL, .stall_seconds = 1 };
    int r = source_open(from, &kind, &source, f);

    if (r == 0)
        r = stage_fetch(&stage, &source, ARCHIVE_UKI, &file, &progress, f);
    source_done(&source);
    return r;
}

static void check_there(void)
{
    _cleanup_free_ char *path = stage_path(&stage, ARCHIVE_UKI), *text = test_folder_read(path);

    assert_string_equal(text, body);
    assert_int_equal(test_folder_count("root/" NAME), 1);
    assert_int_equal(stage_have(&stage, ARCHIVE_UKI), strlen(body));
}

static int reset(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    stage_done(&stage);
    stage = (struct stage)STAGE_INIT;
    stage.wait_ms = 0;
    if (file_remove_tree("root", &f) < 0 || stage_open("root", NAME, &stage, &f) < 0)
        return -1;
    test_folder_write("stick/linux.efi", body);
    return 0;
}

static void test_from_folder(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(stage_have(&stage, ARCHIVE_UKI), 0);
    assert_int_equal(fetch_from("stick", &f), 0);
    check_there();
    /* What is there is not fetched again. */
    assert_int_equal(unlink("stick/linux.efi"), 0);
    assert_int_equal(fetch_from("stick", &f), 0);
    check_there();
    assert_int_equal(stage_remove(&stage, &f), 0);
    assert_int_equal(test_folder_count("root"), 0);
}

/* It goes on at any byte, whatever kind of server there is, and never asks for the whole again. */
static void test_resume_everywhere(void **state)
{
    static const struct test_answer answers[] = {
        { "/parts/linux.efi", "200 OK", "Content-Length: 57\r\n", body, .ranges = true },
        { "/whole/linux.efi", "200 OK", "Content-Length: 57\r\n", body },
        { .path = NULL },
    };
    static const char *const folders[] = { "parts", "whole" };
    const char *server = test_server_start(answers);

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        _cleanup_free_ char *from = text_make("%s/%s", server, folders[i]);

        for (size_t have = 0; have <= strlen(body); have++) {
            struct failure f = FAILURE_NONE;

            assert_int_equal(reset(state), 0);
            assert_int_equal(file_write("root/" NAME "/linux.efi.partial", body, have, 0600, &f),
                             0);
            assert_int_equal(stage_have(&stage, ARCHIVE_UKI), have);
            if (fetch_from(from, &f) < 0)
                fail_msg("%s from %zu: %s", folders[i], have, f.text);
            check_there();
        }
    }
    (void)test_server_stop();
}

/* A server that cuts its answers: what it gave is kept, and tries that bring next to nothing are
 * counted. */
static void test_cut_again_and_again(void **state)
{
    static struct test_answer answers[] = {
        { "/linux.efi", "200 OK", "Content-Length: 57\r\n", body, .ranges = true },
        { .path = NULL },
    };

    for (size_t cut = 1; cut < strlen(body); cut++) {
        struct failure f = FAILURE_NONE;
        const char *server;

        assert_int_equal(reset(state), 0);
        answers[0].cut = cut;
        server = test_server_start(answers);
        /* Behind the cut nothing comes at all, so it is given up with what there was. */
        assert_int_equal(fetch_from(server, &f), -EAGAIN);
        assert_int_equal(f.code, CODE_UPDATE_DOWNLOAD);
        (void)test_server_stop();
        assert_int_equal(stage_have(&stage, ARCHIVE_UKI), cut);
        answers[0].cut = 0;
        server = test_server_start(answers);
        assert_int_equal(fetch_from(server, &f), 0);
        check_there();
        assert_true(test_server_stop() <= 4); /* index, the part; no second try */
    }
}

static void test_stall(void **state)
{
    static const struct test_answer answers[] = {
        { "/linux.efi", "200 OK", "Content-Length: 57\r\n", body, 20, TEST_PACE_STALL, 0, true },
        { .path = NULL },
    };
    struct failure f = FAILURE_NONE;
    const char *server = test_server_start(answers);

    (void)state;
    assert_int_equal(fetch_from(server, &f), -EAGAIN);
    assert_int_equal(stage_have(&stage, ARCHIVE_UKI), 20);
    (void)test_server_stop();
}

/* Bytes that are there and wrong are thrown away once; the second time is the source's fault. */
static void test_wrong_sum(void **state)
{
    struct failure f = FAILURE_NONE;
    char wrong[sizeof(body)];

    (void)state;
    memcpy(wrong, body, sizeof(wrong));
    wrong[10] ^= 1;
    for (size_t have = 11; have <= strlen(body); have++) {
        assert_int_equal(reset(state), 0);
        assert_int_equal(file_write("root/" NAME "/linux.efi.partial", wrong, have, 0600, &f), 0);
        assert_int_equal(fetch_from("stick", &f), 0);
        check_there();
    }
    assert_int_equal(reset(state), 0);
    test_folder_write("stick/linux.efi", wrong);
    assert_int_equal(fetch_from("stick", &f), -EBADMSG);
    assert_int_equal(f.code, CODE_UPDATE_HASH);
    assert_int_equal(test_folder_count("root/" NAME), 0);
}

/* A file that has its name is summed again before it counts, and a longer part is none of it. */
static void test_damaged_stage(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("root/" NAME "/linux.efi",
                      "something of the same length would be summed, too.....");
    assert_int_equal(fetch_from("stick", &f), 0);
    check_there();
    assert_int_equal(reset(state), 0);
    test_folder_write("root/" NAME "/linux.efi.partial",
                      "much longer than what is wanted, by a whole sentence and then some");
    assert_int_equal(fetch_from("stick", &f), 0);
    check_there();
}

static void test_truncated_source(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(body); size++) {
        struct failure f = FAILURE_NONE;

        assert_int_equal(reset(state), 0);
        assert_int_equal(file_write("stick/linux.efi", body, size, 0644, &f), 0);
        assert_int_equal(fetch_from("stick", &f), -ENODATA);
        assert_int_equal(f.code, CODE_UPDATE_HASH);
    }
}

static void test_gone(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(fetch_from("nowhere", &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_SOURCE);
}

/* Other releases make room; files beside them are not ours to remove. */
static void test_others_go(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("root/v0.1.0-node-x86_64/linux.efi", "old");
    test_folder_write("root/state.json", "{}");
    test_folder_write("root/" NAME "/linux.efi.partial", "all");
    stage_done(&stage);
    assert_int_equal(stage_open("root", NAME, &stage, &f), 0);
    assert_int_equal(test_folder_count("root"), 2);
    assert_true(file_exists("root/state.json"));
    assert_int_equal(stage_have(&stage, ARCHIVE_UKI), 3);
}

static int write_proc(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -1;
}

/* In which this user may mount, and is still itself. */
static int own_namespace(void)
{
    _cleanup_free_ char *user = text_make("0 %u 1", geteuid());
    _cleanup_free_ char *group = text_make("0 %u 1", getegid());

    if (!user || !group || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    return write_proc("/proc/self/uid_map", user) == 0 &&
                   write_proc("/proc/self/setgroups", "deny") == 0 &&
                   write_proc("/proc/self/gid_map", group) == 0
               ? 0
               : -1;
}

/* A disk that is full: its own exit code, what came stays, and the rest comes when there is room.
 */
static int fill_small_disk(void)
{
    static char large[1 << 20];
    struct manifest_file file = { .name = "linux.efi", .size = sizeof(large) };
    struct source source = SOURCE_INIT;
    struct failure f = FAILURE_NONE;
    struct stage small = STAGE_INIT;

    file.digest = digest_bytes(large, sizeof(large));
    if (mkdir("small", 0755) < 0 || own_namespace() < 0 ||
        mount("none", "small", "tmpfs", 0, "size=256k") < 0)
        return 10;
    if (file_write("large/linux.efi", large, sizeof(large), 0644, &f) < 0 ||
        stage_open("small", NAME, &small, &f) < 0 || source_open("large", &kind, &source, &f) < 0)
        return 11;
    if (stage_fetch(&small, &source, ARCHIVE_UKI, &file, &progress, &f) != -ENOSPC ||
        f.code != CODE_NO_SPACE || stage_have(&small, ARCHIVE_UKI) == 0)
        return 12;
    if (mount("none", "small", "tmpfs", MS_REMOUNT, "size=2m") < 0)
        return 13;
    if (stage_fetch(&small, &source, ARCHIVE_UKI, &file, &progress, &f) < 0)
        return 14;
    return 0;
}

static void test_no_space(void **state)
{
    struct failure f = FAILURE_NONE;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(file_make_folders("large", &f), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fill_small_disk());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int enter(void **state)
{
    progress_start(&progress, -1, true);
    return test_folder_enter(state);
}

static int leave(void **state)
{
    stage_done(&stage);
    return test_folder_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_from_folder, reset),
        cmocka_unit_test_setup(test_resume_everywhere, reset),
        cmocka_unit_test_setup(test_cut_again_and_again, reset),
        cmocka_unit_test_setup(test_stall, reset),
        cmocka_unit_test_setup(test_wrong_sum, reset),
        cmocka_unit_test_setup(test_damaged_stage, reset),
        cmocka_unit_test_setup(test_truncated_source, reset),
        cmocka_unit_test_setup(test_gone, reset),
        cmocka_unit_test_setup(test_others_go, reset),
        cmocka_unit_test_setup(test_no_space, reset),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
