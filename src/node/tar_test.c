#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "node/tar.h"
#include "sys/file.h"
#include "sys/spawn.h"

static void test_layout(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    tar_add_file(&t, "a/b", 1, "hello", 5);
    assert_int_equal(t.length, 2 * TAR_BLOCK);
    assert_string_equal(t.data, "a/b");
    assert_memory_equal(t.data + 124, "00000000005\0", 12);
    assert_memory_equal(t.data + 257,
                        "ustar\0"
                        "00",
                        8);
    assert_string_equal(t.data + TAR_BLOCK, "hello");
    tar_add_file(&t, "empty", 1, "", 0);
    assert_int_equal(t.length, 3 * TAR_BLOCK);
    tar_add_end(&t);
    assert_int_equal(t.length, 5 * TAR_BLOCK);
}

/* The judge is tar itself. */
static void test_tar_reads_it(void **state)
{
    char path[] = "/tmp/tar-XXXXXX";
    char block[TAR_BLOCK];
    int fd = mkostemp(path, O_CLOEXEC);
    _cleanup_text_ struct text t = TEXT_INIT;
    _cleanup_free_ char *list = NULL, *content = NULL;
    const struct arguments listing = ARGUMENTS("tar", "-tf", path);
    const struct arguments reading = ARGUMENTS("tar", "-xOf", path, "full", "last");
    const struct spawn list_spawn = { .arguments = &listing, SPAWN_FDS_NONE };
    const struct spawn read_spawn = { .arguments = &reading, SPAWN_FDS_NONE };
    struct failure f = FAILURE_NONE;
    size_t size;

    (void)state;
    assert_true(fd >= 0);
    memset(block, 'x', sizeof(block));
    tar_add_file(&t, "full", 1700000000, block, sizeof(block));
    tar_add_file(&t, "logs/empty", 1700000000, "", 0);
    tar_add_file(&t, "last", 1700000000, "end\n", 4);
    tar_add_end(&t);
    assert_int_equal(write(fd, t.data, t.length), t.length);
    assert_int_equal(spawn_capture(&list_spawn, 4096, &list, &size, &f), 0);
    assert_string_equal(list, "full\nlogs/empty\nlast\n");
    assert_int_equal(spawn_capture(&read_spawn, 4096, &content, &size, &f), 0);
    assert_int_equal(size, sizeof(block) + 4);
    assert_memory_equal(content, block, sizeof(block));
    assert_string_equal(content + sizeof(block), "end\n");
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_tar_reads_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
