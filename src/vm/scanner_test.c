#include "vm/scanner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

static void feed(struct scanner *s, const char *text)
{
    scanner_feed(s, (const uint8_t *)text, strlen(text));
}

/* What is left of a console stream when nobody looks at terminals. */
static const struct {
    const char *raw;
    const char *clean;
} cleanings[] = {
    { "plain\n", "plain\n" },
    { "dos\r\nlines\r\n", "dos\nlines\n" },
    { "twice\r\r\nonce", "twice\nonce" },
    { "10%\r20%\r\n", "10%\n20%\n" },
    { "\r\n\r\n", "\n\n" },
    { "\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: x\r\n", "BdsDxe: x\n" },
    { "one\x1b[05;01Htwo\n", "one\ntwo\n" },
    { "\x1b[1;31mred\x1b[0m \x1b(Bchar\x1b]0;title\x07set\n", "red charset\n" },
    { "\x1b]0;title\x1b\\after\n", "after\n" },
    { "prompt: \x1b[6n", "prompt: " },
    { "a\tb\x01\x7f\x08"
      "c\n",
      "a\tbc\n" },
    { "umlaut \xc3\xa4\n", "umlaut \xc3\xa4\n" },
};

static void test_cleaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cleanings); i++) {
        struct scanner s = SCANNER_INIT;

        feed(&s, cleanings[i].raw);
        assert_string_equal(scanner_text(&s), cleanings[i].clean);
        scanner_done(&s);
    }
}

/* However the reads fall, the result is the same: every stream, cut at every place. */
static void test_split_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cleanings); i++) {
        const uint8_t *raw = (const uint8_t *)cleanings[i].raw;
        size_t size = strlen(cleanings[i].raw);

        for (size_t cut = 0; cut <= size; cut++) {
            struct scanner s = SCANNER_INIT;

            scanner_feed(&s, raw, cut);
            scanner_feed(&s, raw + cut, size - cut);
            assert_string_equal(scanner_text(&s), cleanings[i].clean);
            scanner_done(&s);
        }
    }
}

static void test_marker_over_reads(void **state)
{
    static const char stream[] = "noise\r\n[ 1.0] broch stage1 step=slot status=ok\r\nlogin: ";
    static const char *const texts[] = { "broch ready", "broch stage1" };
    struct scanner s = SCANNER_INIT;
    const char *line;
    size_t index = 9;
    int found = 0;

    (void)state;
    for (const char *p = stream; *p; p++) {
        scanner_feed(&s, (const uint8_t *)p, 1);
        if (scanner_find(&s, texts, 2, &index, &line)) {
            found++;
            assert_int_equal(index, 1);
            assert_string_equal(line, "[ 1.0] broch stage1 step=slot status=ok");
        }
    }
    assert_int_equal(found, 1); /* each line once */
    assert_true(scanner_find_prompt(&s, "login:"));
    assert_false(scanner_find_prompt(&s, "login:"));
    scanner_done(&s);
}

static void test_order(void **state)
{
    static const char *const both[] = { "b", "a" };
    struct scanner s = SCANNER_INIT;
    const char *line;
    size_t index;

    (void)state;
    feed(&s, "xa\nyb\nza b\nend");
    assert_true(scanner_find(&s, both, 2, &index, &line));
    assert_string_equal(line, "xa"); /* the first line, not the first text */
    assert_true(scanner_next(&s, &line));
    assert_string_equal(line, "yb");
    assert_true(scanner_find(&s, both, 2, &index, &line));
    assert_int_equal(index, 0);            /* within a line the lowest index */
    assert_false(scanner_next(&s, &line)); /* "end" is not complete */
    scanner_end(&s);
    assert_true(scanner_next(&s, &line));
    assert_string_equal(line, "end");
    scanner_end(&s);
    assert_false(scanner_next(&s, &line));
    scanner_clear(&s);
    assert_string_equal(scanner_text(&s), "");
    scanner_done(&s);
}

static void test_tail(void **state)
{
    struct scanner s = SCANNER_INIT;

    (void)state;
    assert_string_equal(scanner_tail(&s, 1), "");
    feed(&s, "one\ntwo\nthree\n");
    assert_string_equal(scanner_tail(&s, 1), "three\n");
    assert_string_equal(scanner_tail(&s, 2), "two\nthree\n");
    assert_string_equal(scanner_tail(&s, 9), "one\ntwo\nthree\n");
    feed(&s, "fo");
    assert_string_equal(scanner_tail(&s, 1), "fo");
    scanner_done(&s);
}

/* A guest that never stops printing costs a bounded amount of memory. */
static void test_bounded(void **state)
{
    enum { CHUNK = 1 << 20 };
    struct scanner s = SCANNER_INIT;
    _cleanup_free_ uint8_t *chunk = malloc(CHUNK);
    const char *line;

    (void)state;
    assert_non_null(chunk);
    memset(chunk, 'x', CHUNK);
    chunk[CHUNK - 1] = '\n';
    for (int i = 0; i < 40; i++)
        scanner_feed(&s, chunk, CHUNK);
    feed(&s, "last\n");
    assert_int_equal(scanner_status(&s), 0);
    assert_true(s.text.length <= SCANNER_TEXT_MAX);
    while (scanner_next(&s, &line) && strcmp(line, "last") != 0)
        ;
    assert_string_equal(line, "last");
    scanner_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cleaning),
        cmocka_unit_test(test_split_reads),
        cmocka_unit_test(test_marker_over_reads),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
