/* Copying and comparing; mkfs.fat, mounts and a real slot are in tests/vm/power_test.c. */
#include "update/slot_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sys/file.h"
#include "sys/test_folder.h"

static const char body[] = "the bytes of a system image";

static struct progress progress;

static struct slot_file make_file(const char *path)
{
    return (struct slot_file){ .path = path,
                               .size = strlen(body),
                               .digest = digest_bytes(body, strlen(body)) };
}

static void test_copy(void **state)
{
    const struct slot_file file = make_file("from");
    _cleanup_free_ char *text = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("from", body);
    test_folder_write("to", "something longer that was there before it was copied");
    assert_int_equal(slot_copy(&file, "to", &progress, &f), 0);
    text = test_folder_read("to");
    assert_string_equal(text, body);
    assert_int_equal(slot_compare(&file, "to", &progress, &f), 0);
}

/* A file that is not what the manifest names never passes for it. */
static void test_changed(void **state)
{
    const struct slot_file file = make_file("from");
    char changed[sizeof(body)];

    (void)state;
    for (size_t at = 0; at < strlen(body); at++) {
        struct failure f = FAILURE_NONE;

        memcpy(changed, body, sizeof(changed));
        changed[at] ^= 1;
        test_folder_write("from", changed);
        assert_int_equal(slot_copy(&file, "to", &progress, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_UPDATE_HASH);
        assert_int_equal(slot_compare(&file, "from", &progress, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_UPDATE_READ_BACK);
        changed[at] = '\0';
        test_folder_write("from", changed);
        assert_int_equal(slot_compare(&file, "from", &progress, &f), -EBADMSG);
    }
    test_folder_write("from", "the bytes of a system image and more");
    assert_int_equal(slot_compare(&file, "from", &progress, &(struct failure)FAILURE_NONE),
                     -EBADMSG);
}

static void test_failures(void **state)
{
    const struct slot_file file = make_file("from"), none = make_file("none"),
                           led = make_file("link");
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("from", body);
    assert_int_equal(symlink("from", "link"), 0);
    assert_int_equal(slot_copy(&none, "to", &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(slot_copy(&led, "to", &progress, &f), -ELOOP);
    assert_int_equal(slot_copy(&file, "no/folder", &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_SLOT);
    assert_int_equal(slot_copy(&file, "/dev/full", &progress, &f), -ENOSPC);
    assert_int_equal(f.code, CODE_UPDATE_SLOT);
    assert_int_equal(slot_compare(&file, "none", &progress, &f), -ENOENT);
    assert_int_equal(f.code, CODE_UPDATE_READ_BACK);
}

static int enter(void **state)
{
    progress_start(&progress, -1, true);
    return test_folder_enter(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, enter, test_folder_leave);
}
