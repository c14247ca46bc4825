#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/line.h"
#include "image/cpio.h"
#include "image/cpio_reader.h"
#include "sys/file.h"

/* What the writer packs: the archive of two files, as bytes. */
static uint8_t *make(size_t *ret_size)
{
    char path[] = "/tmp/cpio-reader-XXXXXX";
    struct failure f = FAILURE_NONE;
    struct cpio *cpio = calloc(1, sizeof(*cpio));
    uint8_t *bytes = NULL;

    assert_non_null(cpio);
    assert_true(close(mkostemp(path, O_CLOEXEC)) == 0);
    assert_int_equal(cpio_add_bytes(cpio, "broch/cmdline", "quiet", 5, &f), 0);
    assert_int_equal(cpio_add_bytes(cpio, "init", "", 0, &f), 0);
    assert_int_equal(cpio_write(cpio, path, 1700000000, &f), 0);
    assert_int_equal(file_read(path, 1 << 20, &bytes, ret_size, &f), 0);
    assert_int_equal(file_remove_tree(path, &f), 0);
    cpio_done(cpio);
    free(cpio);
    return bytes;
}

/* Writes down "path=content;" of each file. */
static int note(const struct cpio_member *member, void *context)
{
    struct line *text = context;

    if ((member->mode & 0170000) == 0100000)
        line_addf(text, "%s=%.*s;", member->path, (int)member->content.size,
                  (const char *)member->content.bytes);
    return 0;
}

static void test_what_was_written(void **state)
{
    char text[1024];
    struct line line = line_make(text, sizeof(text));
    size_t size;
    uint8_t *bytes = make(&size);

    assert_int_equal(cpio_walk((struct span){ bytes, size }, note, &line), 0);
    assert_string_equal(text, "broch/cmdline=quiet;init=;");
    free(bytes);
}

static void test_two_archives(void **state)
{
    char text[1024];
    struct line line = line_make(text, sizeof(text));
    size_t size;
    uint8_t *bytes = make(&size), *both = malloc(2 * size);

    assert_non_null(both);
    memcpy(both, bytes, size);
    memcpy(both + size, bytes, size);
    assert_int_equal(cpio_walk((struct span){ both, 2 * size }, note, &line), 0);
    assert_string_equal(text, "broch/cmdline=quiet;init=;broch/cmdline=quiet;init=;");
    free(both);
    free(bytes);
}

static int stop(const struct cpio_member *member, void *context)
{
    return strcmp(member->path, "init") == 0 ? 7 : 0;
}

static void test_stops(void **state)
{
    size_t size;
    uint8_t *bytes = make(&size);

    assert_int_equal(cpio_walk((struct span){ bytes, size }, stop, NULL), 7);
    free(bytes);
}

/* Cut anywhere before the end of the trailer's name, it is no archive. */
static void test_cut(void **state)
{
    size_t size, end;
    uint8_t *bytes = make(&size);
    const uint8_t *trailer = memmem(bytes, size, "TRAILER!!!", 11);

    assert_non_null(trailer);
    end = (size_t)(trailer - bytes) + 11;
    for (size_t cut = 0; cut < end; cut++) {
        char text[1024];
        struct line line = line_make(text, sizeof(text));
        uint8_t *copy = malloc(cut + 1); /* so that a read behind the end is seen */

        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(cpio_walk((struct span){ copy, cut }, note, &line), -EBADMSG);
        free(copy);
    }
    free(bytes);
}

static void test_malformed(void **state)
{
    static const struct {
        size_t at;
        const char *bytes;
    } cases[] = {
        { 0, "070702" },    /* another form */
        { 54, "ffffffff" }, /* the content ends behind the archive */
        { 94, "00000000" }, /* no name */
        { 94, "ffffffff" }, /* a long one */
        { 94, "00000002" }, /* a name without its zero */
        { 14, "0000x000" }, /* no digit */
    };
    size_t size;
    uint8_t *bytes = make(&size);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];
        struct line line = line_make(text, sizeof(text));
        uint8_t *copy = malloc(size);

        assert_non_null(copy);
        memcpy(copy, bytes, size);
        memcpy(copy + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
        assert_int_equal(cpio_walk((struct span){ copy, size }, note, &line), -EBADMSG);
        free(copy);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written),
        cmocka_unit_test(test_two_archives),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
