#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk/persist.h"
#include "disk/test_header.h"

enum { DISK_SIZE = 32 << 20 };

static struct luks_header header;
static int fd = -1;

static char path[] = "/tmp/broch-look-XXXXXX";

static int setup(void **unused)
{
    (void)unused;
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    fd = mkostemp(path, O_CLOEXEC);
    return fd < 0 || ftruncate(fd, DISK_SIZE) < 0 ? -1 : 0;
}

static int teardown(void **unused)
{
    (void)unused;
    return close(fd) < 0 || unlink(path) < 0 ? -1 : 0;
}

static enum persist_content look(void)
{
    struct failure f = FAILURE_NONE;
    enum persist_content content;

    assert_int_equal(persist_look(fd, &content, &header, &f), 0);
    return content;
}

/* One byte anywhere in the area where a header would be makes it somebody else's. */
static void test_foreign(void **unused)
{
    static const off_t places[] = { 0, 4096, 65535, 65536, (1 << 20) + 1, PERSIST_LOOK_SIZE - 1 };

    (void)unused;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
        assert_int_equal(look(), PERSIST_EMPTY);
        assert_int_equal(pwrite(fd, "x", 1, places[i]), 1);
        assert_int_equal(look(), PERSIST_FOREIGN);
    }
}

static void test_behind(void **unused)
{
    (void)unused;
    assert_int_equal(pwrite(fd, "x", 1, PERSIST_LOOK_SIZE), 1);
    assert_int_equal(look(), PERSIST_EMPTY);
}

/* As libcryptsetup leaves it before there is a header: only the mark tells it from somebody's disk,
 * and once the disk is made nothing does. */
static void test_mark(void **unused)
{
    struct failure f = FAILURE_NONE;

    (void)unused;
    assert_int_equal(look(), PERSIST_EMPTY);
    assert_int_equal(persist_mark(path, true, &f), 0);
    assert_int_equal(look(), PERSIST_UNFINISHED);
    assert_int_equal(pwrite(fd, "random", 6, 40000), 6);
    assert_int_equal(look(), PERSIST_UNFINISHED);
    assert_int_equal(persist_mark(path, false, &f), 0);
    assert_int_equal(look(), PERSIST_FOREIGN);
    assert_int_equal(persist_mark("/nowhere", true, &f), -ENOENT);
}

/* A whole header with another label is not ours, and neither is a damaged one with ours. */
static void test_header(void **unused)
{
    static uint8_t bytes[LUKS_HEADER_SCAN_SIZE];

    (void)unused;
    test_header_make(bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(look(), PERSIST_OURS);
    assert_int_equal(header.token_count, 1);
    for (size_t at = 0; at < sizeof(bytes); at += LUKS_HEADER_SIZE_MIN)
        bytes[at + 24] = 'B';
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(look(), PERSIST_FOREIGN);
    test_header_fix(bytes, 0);
    test_header_fix(bytes, LUKS_HEADER_SIZE_MIN);
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(look(), PERSIST_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
