#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "image/unpack.h"

/* One frame of zstd. Returns its size. */
static size_t pack(const char *word, uint8_t *to, size_t capacity)
{
    struct archive *out = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    size_t used = 0;

    assert_non_null(out);
    assert_non_null(entry);
    assert_int_equal(archive_write_set_format_raw(out), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_zstd(out), ARCHIVE_OK);
    assert_int_equal(archive_write_set_bytes_in_last_block(out, 1), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(out, to, capacity, &used), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(out, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(out, word, strlen(word)), (int)strlen(word));
    archive_entry_free(entry);
    assert_int_equal(archive_write_free(out), ARCHIVE_OK);
    return used;
}

static void test_frames(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    uint8_t bytes[512];
    size_t size = pack("dry ", bytes, sizeof(bytes));

    size += pack("stone", bytes + size, sizeof(bytes) - size);
    assert_int_equal(unpack_zstd((struct span){ bytes, size }, &t), 0);
    assert_string_equal(text_string(&t), "dry stone");
}

static void test_not_packed(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    assert_int_equal(unpack_zstd((struct span){ (const uint8_t *)"plain", 5 }, &t), 0);
    assert_string_equal(text_string(&t), "plain");
}

static void test_damaged(void **state)
{
    uint8_t bytes[512];
    size_t size = pack("dry stone, dry stone, dry stone", bytes, sizeof(bytes));

    for (size_t cut = 5; cut < size - 1; cut++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        assert_int_equal(unpack_zstd((struct span){ bytes, cut }, &t), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_not_packed),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
