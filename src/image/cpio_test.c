#include "image/cpio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "trust/digest.h"
#include "sys/test_folder.h"

enum { DATE = 1795206090 };

static struct cpio *make(void)
{
    struct cpio *cpio = calloc(1, sizeof(*cpio));

    assert_non_null(cpio);
    return cpio;
}

static void drop(struct cpio *cpio)
{
    cpio_done(cpio);
    free(cpio);
}

/* One line per entry: type, mode, owner, time, links, name, content. */
static char *list(const char *path)
{
    struct archive *in = archive_read_new();
    struct text text = TEXT_INIT;
    struct archive_entry *entry;
    char content[64];

    assert_int_equal(archive_read_support_format_cpio(in), ARCHIVE_OK);
    assert_int_equal(archive_read_open_filename(in, path, 10240), ARCHIVE_OK);
    while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
        la_ssize_t size = archive_read_data(in, content, sizeof(content));

        assert_true(size >= 0);
        assert_int_equal(archive_entry_mtime(entry), DATE);
        assert_int_equal(archive_entry_uid(entry), 0);
        assert_int_equal(archive_entry_gid(entry), 0);
        text_addf(&text, "%c%03o %s=%.*s\n", archive_entry_filetype(entry) == AE_IFDIR ? 'd' : 'f',
                  (unsigned)archive_entry_perm(entry), archive_entry_pathname(entry), (int)size,
                  content);
    }
    assert_int_equal(archive_read_free(in), ARCHIVE_OK);
    return text_take(&text);
}

static void test_write(void **state)
{
    struct cpio *cpio = make();
    _cleanup_free_ char *found = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    test_folder_write("source", "program");
    assert_int_equal(cpio_add_bytes(cpio, "broch/modules", "load x\n", 7, &f), 0);
    assert_int_equal(cpio_add_file(cpio, "init", "source", true, &f), 0);
    assert_int_equal(cpio_add_file(cpio, "lib/deep/er/x.so", "source", false, &f), 0);
    assert_int_equal(cpio_add_bytes(cpio, "broch/empty", "", 0, &f), 0);
    assert_int_equal(cpio_write(cpio, "out.cpio", DATE, &f), 0);
    found = list("out.cpio");
    assert_string_equal(found, "d755 broch=\n"
                               "f644 broch/empty=\n"
                               "f644 broch/modules=load x\n\n"
                               "f755 init=program\n"
                               "d755 lib=\n"
                               "d755 lib/deep=\n"
                               "d755 lib/deep/er=\n"
                               "f644 lib/deep/er/x.so=program\n");
    drop(cpio);
}

/* The bytes do not depend on the order of the calls. */
static void test_order(void **state)
{
    static const char *const names[] = { "a", "b/c", "b/d", "b-e", "f/g/h" };
    struct digest first = { .bytes = { 0 } };

    (void)state;
    for (size_t shift = 0; shift < ARRAY_SIZE(names); shift++) {
        struct cpio *cpio = make();
        struct failure f = FAILURE_NONE;
        struct digest digest;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            const char *name = names[(i + shift) % ARRAY_SIZE(names)];

            assert_int_equal(cpio_add_bytes(cpio, name, name, strlen(name), &f), 0);
        }
        assert_int_equal(cpio_write(cpio, "order.cpio", DATE, &f), 0);
        assert_int_equal(digest_file("order.cpio", &digest, &f), 0);
        if (shift == 0)
            first = digest;
        assert_memory_equal(&digest, &first, sizeof(digest));
        drop(cpio);
    }
}

static void test_twice(void **state)
{
    struct cpio *cpio = make();
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(cpio_add_bytes(cpio, "a/b", "", 0, &f), 0);
    assert_int_equal(cpio_add_bytes(cpio, "a/b", "", 0, &f), -EEXIST);
    assert_int_equal(cpio_add_file(cpio, "a", "source", false, &f), -EEXIST);
    assert_non_null(strstr(f.text, "'a' is in the initrd twice"));
    drop(cpio);
}

static void test_failures(void **state)
{
    struct cpio *cpio = make();
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(cpio_write(cpio, "no/such/folder", DATE, &f), -EIO);
    assert_int_equal(cpio_add_file(cpio, "x", "missing", false, &f), 0);
    assert_int_equal(cpio_write(cpio, "out.cpio", DATE, &f), -ENOENT);
    assert_non_null(strstr(f.text, "'missing'"));
    drop(cpio);
}

static void test_full(void **state)
{
    struct cpio *cpio = make();
    struct failure f = FAILURE_NONE;
    char name[16];
    int r = 0;

    (void)state;
    for (unsigned i = 0; r == 0 && i <= CPIO_ENTRIES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "f%u", i);
        r = cpio_add_bytes(cpio, name, "", 0, &f);
        assert_int_equal(r, i < CPIO_ENTRIES_MAX ? 0 : -ERANGE);
    }
    assert_int_equal(cpio_add_bytes(cpio, "d/f", "", 0, &f), -ERANGE);
    drop(cpio);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),    cmocka_unit_test(test_order), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
