#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/contents.h"
#include "image/cpio.h"
#include "sys/file.h"

static struct span packed;

static int make(void **state)
{
    static const struct {
        const char *path;
        size_t size;
    } files[] = { { "usr/bin/b", 5 },   { "usr/bin/a", 7 },
                  { "init", 100 },      { "usr/lib/modules/x/y", 50 },
                  { "usr/lib/one", 3 }, { "usr/share/doc/p/c", 1 } };
    char path[] = "/tmp/contents-XXXXXX", zeros[128] = { 0 };
    struct failure f = FAILURE_NONE;
    struct cpio *cpio = calloc(1, sizeof(*cpio));
    uint8_t *bytes;

    assert_non_null(cpio);
    assert_true(close(mkostemp(path, O_CLOEXEC)) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        assert_int_equal(cpio_add_bytes(cpio, files[i].path, zeros, files[i].size, &f), 0);
    assert_int_equal(cpio_write(cpio, path, 1700000000, &f), 0);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &packed.size, &f), 0);
    packed.bytes = bytes;
    assert_int_equal(file_remove_tree(path, &f), 0);
    cpio_done(cpio);
    free(cpio);
    return 0;
}

static int unmake(void **state)
{
    free((void *)(uintptr_t)packed.bytes);
    return 0;
}

static void test_initrd(void **state)
{
    _cleanup_contents_ struct contents c = CONTENTS_INIT;
    struct failure f = FAILURE_NONE;
    const struct digest wanted = digest_bytes("\0\0\0\0\0", 5);

    assert_int_equal(contents_of_initrd(packed, true, &c, &f), 0);
    assert_int_equal(c.count, 6);
    assert_string_equal(c.files[0].path, "init"); /* sorted */
    assert_int_equal(contents_size(&c), 166);
    assert_string_equal(c.files[2].path, "usr/bin/b");
    assert_memory_equal(&c.files[2].digest, &wanted, sizeof(wanted));
}

static void test_rooms(void **state)
{
    static const struct {
        const char *folder;
        uint64_t size;
        size_t count;
    } wanted[] = { { "", 100, 1 },
                   { "usr/lib/modules", 50, 1 },
                   { "usr/bin", 12, 2 },
                   { "usr/lib", 3, 1 },
                   { "usr/share/doc", 1, 1 } };
    _cleanup_contents_ struct contents c = CONTENTS_INIT;
    struct failure f = FAILURE_NONE;
    struct contents_room *rooms;
    size_t count;

    assert_int_equal(contents_of_initrd(packed, false, &c, &f), 0);
    assert_int_equal(contents_rooms(&c, &rooms, &count, &f), 0);
    assert_int_equal(count, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rooms[i].folder, wanted[i].folder);
        assert_int_equal(rooms[i].size, wanted[i].size);
        assert_int_equal(rooms[i].count, wanted[i].count);
    }
    contents_rooms_done(rooms, count);
}

static void test_damaged(void **state)
{
    _cleanup_contents_ struct contents c = CONTENTS_INIT;
    struct failure f = FAILURE_NONE;

    assert_int_equal(contents_of_initrd((struct span){ packed.bytes, 200 }, true, &c, &f),
                     -EBADMSG);
    assert_int_equal(f.code, CODE_ARTIFACT_BAD);
    assert_null(c.files);
    assert_int_equal(contents_of_system(packed, true, &c, &f), -EBADMSG);
    assert_int_equal(f.code, CODE_ARTIFACT_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initrd),
        cmocka_unit_test(test_rooms),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, make, unmake);
}
