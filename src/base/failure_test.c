#include "base/failure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

static void test_set(void **state)
{
    static const struct {
        int cause, expected;
    } cases[] = { { -ENOENT, -ENOENT }, { -EBADMSG, -EBADMSG }, { 0, -EIO }, { ENOENT, -EIO } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;

        assert_int_equal(f.cause, 0);
        assert_int_equal(failure_set(&f, CODE_IO, cases[i].cause, "cannot open %s", "x"),
                         cases[i].expected);
        assert_int_equal(f.cause, cases[i].expected);
        assert_int_equal(f.code, CODE_IO);
        assert_string_equal(f.text, "cannot open x");
    }
}

static void test_prefix(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    (void)failure_set(&f, CODE_IO, -EIO, "inner");
    failure_prefix(&f, "step %d", 2);
    failure_prefix(&f, "outer");
    assert_string_equal(f.text, "outer: step 2: inner");
    assert_int_equal(f.code, CODE_IO);
    assert_int_equal(f.cause, -EIO);
}

/* Whatever the lengths, the text ends inside its buffer and keeps its beginning. */
static void test_long_texts(void **state)
{
    char word[FAILURE_TEXT_MAX + 100];

    (void)state;
    memset(word, 'x', sizeof(word));
    for (size_t length = FAILURE_TEXT_MAX - 4; length < FAILURE_TEXT_MAX + 4; length++) {
        struct failure f = FAILURE_NONE;

        (void)failure_set(&f, CODE_IO, -EIO, "%.*s", (int)length, word);
        assert_int_equal(strlen(f.text), length < FAILURE_TEXT_MAX ? length : FAILURE_TEXT_MAX - 1);
        failure_prefix(&f, "%s", "head");
        assert_int_equal(strncmp(f.text, "head: xxx", 9), 0);
        assert_int_equal(strlen(f.text), FAILURE_TEXT_MAX - 1);
        (void)failure_set(&f, CODE_IO, -EIO, "tail");
        failure_prefix(&f, "%.*s", (int)length, word);
        assert_true(strlen(f.text) < FAILURE_TEXT_MAX);
        assert_int_equal(f.text[0], 'x');
    }
}

static void test_print(void **state)
{
    static const struct {
        enum code code;
        int cause;
        const char *text;
        enum exit_code exit;
    } cases[] = {
        { CODE_IO, -ENOENT,
          "p: BR-IO: what (No such file or directory)\n  next: ", EXIT_CODE_ERROR },
        { CODE_LOCK_HASH, -EBADMSG,
          "p: BR-LOCK-HASH: what\n  next: ", EXIT_CODE_VERIFICATION_FAILED },
        { CODE_USAGE, -EINVAL, "p: BR-USAGE: what\n  next: ", EXIT_CODE_USAGE },
        { CODE_SIGNATURE, -EKEYREJECTED,
          "p: BR-SIGNATURE: what\n  next: ", EXIT_CODE_VERIFICATION_FAILED },
        { CODE_IO, -ERANGE, "p: BR-IO: what\n  next: ", EXIT_CODE_ERROR },
        { CODE_LOCK_STALE, -ESTALE, "p: BR-LOCK-STALE: what\n  next: ", EXIT_CODE_ERROR },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        _cleanup_free_ char *printed = NULL;
        const char *advice = code_entry(cases[i].code)->advice;
        size_t size, head = strlen(cases[i].text);
        FILE *stream = open_memstream(&printed, &size);

        assert_non_null(stream);
        (void)failure_set(&f, cases[i].code, cases[i].cause, "what");
        assert_int_equal(failure_print(&f, "p", stream), cases[i].exit);
        assert_int_equal(fclose(stream), 0);
        assert_int_equal(strncmp(printed, cases[i].text, head), 0);
        assert_int_equal(strncmp(printed + head, advice, strlen(advice)), 0);
        assert_string_equal(printed + head + strlen(advice), "\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
