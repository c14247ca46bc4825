#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/store_memory.h"

struct seen {
    char text[64];
    size_t size;
};

static int collect(void *owner, const uint8_t *bytes, size_t size)
{
    struct seen *seen = owner;

    assert_true(size < sizeof(seen->text) - seen->size);
    memcpy(seen->text + seen->size, bytes, size);
    seen->size += size;
    seen->text[seen->size] = '\0';
    return bytes[0] == 'X' ? -EPERM : 0;
}

static void check_holds(struct store_memory *m, const char *expected)
{
    struct store s = store_memory_store(m);
    struct seen seen = { .size = 0 };

    assert_int_equal(store_load(&s, collect, &seen), 0);
    assert_string_equal(seen.text, expected);
}

static int append(struct store_memory *m, const char *text)
{
    struct store s = store_memory_store(m);

    return store_append(&s, (const uint8_t *)text, strlen(text));
}

static int commit(struct store_memory *m)
{
    struct store s = store_memory_store(m);

    return store_commit(&s);
}

static void whole_transactions_survive(void **state)
{
    struct store_memory *m;

    assert_int_equal(store_memory_new(100, 10, &m), 0);
    assert_int_equal(append(m, "a"), 0);
    assert_int_equal(append(m, "b"), 0);
    check_holds(m, "");
    assert_int_equal(commit(m), 0);
    assert_int_equal(append(m, "c"), 0);
    store_memory_crash(m);
    check_holds(m, "ab");
    assert_int_equal(append(m, "d"), 0);
    store_memory_fail(m, -EIO);
    assert_int_equal(commit(m), -EIO);
    store_memory_fail(m, 0);
    assert_int_equal(append(m, "e"), 0);
    assert_int_equal(commit(m), 0);
    check_holds(m, "abe");
    assert_int_equal(store_memory_commits(m), 2);
    (void)store_memory_free(m);
}

static void an_image_is_restored(void **state)
{
    struct store_memory *m, *image;

    assert_int_equal(store_memory_new(100, 10, &m), 0);
    assert_int_equal(store_memory_new(100, 10, &image), 0);
    assert_int_equal(append(m, "old"), 0);
    assert_int_equal(commit(m), 0);
    assert_int_equal(store_memory_restore(image, m), 0);
    assert_int_equal(append(m, "new"), 0);
    assert_int_equal(commit(m), 0);
    assert_int_equal(store_memory_restore(m, image), 0);
    check_holds(m, "old");
    (void)store_memory_free(m);
    (void)store_memory_free(image);
}

static void limits_and_errors_are_said(void **state)
{
    struct store_memory *m;
    struct store s;
    struct seen seen = { .size = 0 };

    assert_int_equal(store_memory_new(4, 2, &m), 0);
    assert_int_equal(append(m, "12345"), -ENOSPC);
    assert_int_equal(append(m, "X"), 0);
    assert_int_equal(append(m, "y"), 0);
    assert_int_equal(append(m, "z"), -ENOSPC);
    assert_int_equal(commit(m), 0);
    s = store_memory_store(m);
    assert_int_equal(store_load(&s, collect, &seen), -EPERM);
    assert_string_equal(seen.text, "X");
    (void)store_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_transactions_survive),
        cmocka_unit_test(an_image_is_restored),
        cmocka_unit_test(limits_and_errors_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
