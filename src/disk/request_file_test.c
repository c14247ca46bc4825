#include "disk/request_file.h"

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

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static char folder[] = "/tmp/broch-request-XXXXXX";
static int base_fd, fd;
static struct failure f;

static int setup(void **unused)
{
    (void)unused;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    base_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = request_folder_open(base_fd, "requests", true);
    f = (struct failure)FAILURE_NONE;
    return fd < 0 ? -1 : 0;
}

static int teardown(void **unused)
{
    static const char *const names[] = { "epoch", "epoch.result", "epoch.new", "enroll", "wipe" };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlinkat(fd, names[i], 0); /* most of them are not there */
    (void)close(fd);
    (void)unlinkat(base_fd, "requests", AT_REMOVEDIR);
    (void)close(base_fd);
    return rmdir(folder);
}

static struct request epoch(void)
{
    struct request r;

    assert_int_equal(request_make("epoch", "7", &r), 0);
    memcpy(r.disk, UUID, sizeof(UUID));
    return r;
}

static void test_round(void **unused)
{
    const struct request r = epoch();
    struct request got;

    (void)unused;
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), -ENOENT);
    assert_int_equal(request_write(fd, &r, &f), 0);
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), 0);
    assert_int_equal(got.epoch, 7);
    assert_string_equal(got.disk, UUID);
    assert_int_equal(faccessat(fd, "epoch.new", F_OK, 0), -1);
    assert_int_equal(request_read(fd, REQUEST_WIPE, &got, &f), -ENOENT);
    assert_int_equal(request_remove(fd, REQUEST_EPOCH, &f), 0);
    assert_int_equal(request_remove(fd, REQUEST_EPOCH, &f), 0);
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), -ENOENT);
}

static void test_result(void **unused)
{
    const struct request r = epoch();
    struct request_result result, got;

    (void)unused;
    assert_int_equal(request_result_read(fd, REQUEST_EPOCH, &got), -ENOENT);
    request_end(&r, "v1", NULL, &result);
    assert_int_equal(request_result_write(fd, &result, &f), 0);
    assert_int_equal(request_result_read(fd, REQUEST_EPOCH, &got), 0);
    assert_string_equal(got.code, "");
    assert_string_equal(got.generation, "v1");
}

static void put(const char *name, const char *text)
{
    int file_fd = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(file_fd >= 0);
    assert_int_equal(write(file_fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(file_fd), 0);
}

/* A file that is no request is refused by its code, so that whoever reads it can take it away. */
static void test_not_ours(void **unused)
{
    struct request got;
    char large[REQUEST_SIZE_MAX + 2];

    (void)unused;
    put("epoch", "raise it\n");
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_REQUEST_FORM);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    put("epoch", large);
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), -EBADMSG);
    /* One kind under the name of another. */
    put("wipe", "broch request 1\nkind=epoch\ndisk=" UUID "\nvalue=7\nstarts=0\n");
    assert_int_equal(request_read(fd, REQUEST_WIPE, &got, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_REQUEST_FORM);
    /* Neither a link nor a pipe is followed or waited for. */
    assert_int_equal(symlinkat("wipe", fd, "enroll"), 0);
    assert_int_equal(request_read(fd, REQUEST_ENROLL, &got, &f), -EBADMSG);
    assert_int_equal(request_remove(fd, REQUEST_ENROLL, &f), 0);
    assert_int_equal(mkfifoat(fd, "enroll", 0600), 0);
    assert_int_equal(request_read(fd, REQUEST_ENROLL, &got, &f), -EBADMSG);
}

static void test_folder(void **unused)
{
    int again;

    (void)unused;
    assert_int_equal(request_folder_open(base_fd, "nothing", false), -ENOENT);
    again = request_folder_open(base_fd, "requests", true);
    assert_true(again >= 0);
    assert_int_equal(close(again), 0);
    assert_int_equal(symlinkat("requests", base_fd, "link"), 0);
    assert_true(request_folder_open(base_fd, "link", false) < 0);
    assert_int_equal(unlinkat(base_fd, "link", 0), 0);
}

/* Where it cannot be written, nothing changes. */
static void test_unwritable(void **unused)
{
    const struct request r = epoch();
    struct request got;

    (void)unused;
    assert_int_equal(mkdirat(fd, "epoch.new", 0700), 0);
    assert_true(request_write(fd, &r, &f) < 0);
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(request_read(fd, REQUEST_EPOCH, &got, &f), -ENOENT);
    assert_int_equal(unlinkat(fd, "epoch.new", AT_REMOVEDIR), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round),  TEST(test_result),     TEST(test_not_ours),
        TEST(test_folder), TEST(test_unwritable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
