#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/test_death.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void test_integers(void **state)
{
    struct cursor c = cursor_make(bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(cursor_u8(&c), 0x01);
    assert_int_equal(cursor_le16(&c), 0x0302);
    assert_int_equal(cursor_be16(&c), 0x0405);
    cursor_seek(&c, 1);
    assert_int_equal(cursor_le32(&c), 0x05040302);
    assert_int_equal(cursor_be32(&c), 0x06070809);
    assert_true(cursor_finished(&c));
    cursor_seek(&c, 0);
    assert_int_equal(cursor_le64(&c), 0x0807060504030201);
    cursor_seek(&c, 1);
    assert_int_equal(cursor_be64(&c), 0x0203040506070809);
    assert_true(cursor_finished(&c));
}

typedef uint64_t (*reader)(struct cursor *c);

#define READER(name)                                                                               \
    static uint64_t read_##name(struct cursor *c)                                                  \
    {                                                                                              \
        return cursor_##name(c);                                                                   \
    }
READER(u8)
READER(le16)
READER(le32)
READER(le64)
READER(be16)
READER(be32)
READER(be64)

/* Every reader at every distance from the end: a short read is zero, consumes nothing and is
 * remembered. */
static void test_short_reads(void **state)
{
    static const struct {
        reader read;
        size_t size;
    } readers[] = { { read_u8, 1 },   { read_le16, 2 }, { read_le32, 4 }, { read_le64, 8 },
                    { read_be16, 2 }, { read_be32, 4 }, { read_be64, 8 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        for (size_t size = 0; size <= sizeof(bytes); size++) {
            struct cursor c = cursor_make(bytes, size);
            bool fits = size >= readers[i].size;

            assert_int_equal(readers[i].read(&c) != 0, fits);
            assert_int_equal(c.failed, !fits);
            assert_int_equal(c.offset, fits ? readers[i].size : 0);
        }
    }
}

static void test_failure_is_remembered(void **state)
{
    struct cursor c = cursor_make(bytes, 3);
    uint8_t copy[2] = { 9, 9 };
    const char *line;
    size_t length;

    (void)state;
    assert_null(cursor_take(&c, 4));
    assert_true(c.failed);
    assert_null(cursor_take(&c, 1));
    assert_int_equal(cursor_u8(&c), 0);
    cursor_copy(&c, copy, sizeof(copy));
    assert_int_equal(copy[0] | copy[1], 0);
    cursor_seek(&c, 3);
    assert_int_equal(c.offset, 0);
    assert_false(cursor_line(&c, &line, &length));
    assert_false(cursor_finished(&c));
}

static void test_take(void **state)
{
    struct cursor c = cursor_make(bytes, sizeof(bytes));
    uint8_t copy[4];

    (void)state;
    assert_ptr_equal(cursor_take(&c, 2), bytes);
    cursor_copy(&c, copy, 3);
    assert_memory_equal(copy, bytes + 2, 3);
    cursor_skip(&c, 1);
    assert_int_equal(cursor_left(&c), 3);
    assert_false(cursor_finished(&c));
    assert_ptr_equal(cursor_take(&c, 0), bytes + 6);
    assert_ptr_equal(cursor_take(&c, 3), bytes + 6);
    assert_non_null(cursor_take(&c, 0));
    assert_true(cursor_finished(&c));
    assert_null(cursor_take(&c, 1));
}

/* Sizes near the greatest number must not wrap round the check. */
static void test_huge_sizes(void **state)
{
    (void)state;
    for (size_t back = 0; back < 16; back++) {
        struct cursor c = cursor_make(bytes, sizeof(bytes));

        cursor_skip(&c, 4);
        assert_null(cursor_take(&c, SIZE_MAX - back));
        c = cursor_make(bytes, sizeof(bytes));
        cursor_seek(&c, SIZE_MAX - back);
        assert_true(c.failed);
    }
}

static void test_seek(void **state)
{
    struct cursor c = cursor_make(bytes, sizeof(bytes));

    (void)state;
    cursor_seek(&c, sizeof(bytes));
    assert_true(cursor_finished(&c));
    cursor_seek(&c, 2);
    assert_int_equal(cursor_u8(&c), 3);
    cursor_seek(&c, sizeof(bytes) + 1);
    assert_true(c.failed);
}

static void test_empty(void **state)
{
    struct cursor c = cursor_make(NULL, 0);
    const char *line;
    size_t length;

    (void)state;
    assert_true(cursor_finished(&c));
    assert_false(cursor_line(&c, &line, &length));
    assert_int_equal(cursor_u8(&c), 0);
    assert_false(cursor_finished(&c));
}

static void test_lines(void **state)
{
    static const char text[] = "one\n\ntwo\r\nrest";
    static const char *const expected[] = { "one", "", "two\r" };
    struct cursor c = cursor_make(text, sizeof(text) - 1);
    const char *line;
    size_t length;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_true(cursor_line(&c, &line, &length));
        assert_int_equal(length, strlen(expected[i]));
        assert_memory_equal(line, expected[i], length);
    }
    assert_false(cursor_line(&c, &line, &length)); /* a last line without its newline is no line */
    assert_int_equal(cursor_left(&c), 4);
    assert_false(cursor_finished(&c));
}

static void break_cursor(void)
{
    struct cursor c = cursor_make(bytes, 1);

    c.offset = 2;
    cursor_skip(&c, 1);
}

static void test_broken_cursor(void **state)
{
    (void)state;
    assert_true(test_death_by_abort(break_cursor, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_failure_is_remembered),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_huge_sizes),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_broken_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
