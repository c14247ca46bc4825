#include "base/toml_scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A scanner over some bytes, and what it needs around it. */
struct bench {
    struct toml document;
    struct failure failure;
    struct toml_scan scan;
};

static struct toml_scan *begin(struct bench *b, const void *bytes, size_t size)
{
    *b = (struct bench){ .document.name = "s.toml" };
    b->scan = (struct toml_scan){ .cursor = cursor_make(bytes, size),
                                  .line = 1,
                                  .document = &b->document,
                                  .failure = &b->failure };
    return &b->scan;
}

static struct toml_scan *begin_text(struct bench *b, const char *text)
{
    return begin(b, text, strlen(text));
}

/* The document stands in the bench, so what it owns is handed to one that can be freed. */
static void end(struct bench *b)
{
    struct toml *owner = calloc(1, sizeof(*owner));

    assert_non_null(owner);
    owner->blocks = b->document.blocks;
    toml_free(owner);
    text_done(&b->scan.scratch);
}

static size_t encode(uint32_t scalar, uint8_t *ret)
{
    if (scalar < 0x80) {
        ret[0] = (uint8_t)scalar;
        return 1;
    }
    if (scalar < 0x800) {
        ret[0] = (uint8_t)(0xc0 | scalar >> 6);
        ret[1] = (uint8_t)(0x80 | (scalar & 0x3f));
        return 2;
    }
    if (scalar < 0x10000) {
        ret[0] = (uint8_t)(0xe0 | scalar >> 12);
        ret[1] = (uint8_t)(0x80 | (scalar >> 6 & 0x3f));
        ret[2] = (uint8_t)(0x80 | (scalar & 0x3f));
        return 3;
    }
    ret[0] = (uint8_t)(0xf0 | scalar >> 18);
    ret[1] = (uint8_t)(0x80 | (scalar >> 12 & 0x3f));
    ret[2] = (uint8_t)(0x80 | (scalar >> 6 & 0x3f));
    ret[3] = (uint8_t)(0x80 | (scalar & 0x3f));
    return 4;
}

static bool is_utf8(const uint8_t *bytes, size_t size)
{
    static struct bench b;
    struct toml_scan *s = begin(&b, bytes, size);

    if (toml_scan_check_utf8(s) < 0)
        return false;
    assert_int_equal(s->cursor.offset, 0); /* a check, not a read */
    assert_int_equal(s->line, 1);
    return true;
}

/* Every number that four bytes can carry: accepted whole exactly when it is a scalar value, and
 * never when it is cut short. */
static void test_every_scalar(void **state)
{
    (void)state;
    for (uint32_t scalar = 0; scalar <= 0x1fffff; scalar++) {
        bool is_scalar = scalar <= 0x10ffff && (scalar < 0xd800 || scalar > 0xdfff);
        uint8_t bytes[4];
        size_t size = encode(scalar, bytes);

        assert_int_equal(is_utf8(bytes, size), is_scalar);
        if (size > 1)
            assert_false(is_utf8(bytes, size - 1));
    }
}

/* Every pair of bytes against the definition of one- and two-byte forms. */
static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256 * 256; i++) {
        uint8_t bytes[] = { (uint8_t)(i >> 8), (uint8_t)i };
        bool is_ascii = bytes[0] < 0x80 && bytes[1] < 0x80;
        bool is_two = bytes[0] >= 0xc2 && bytes[0] <= 0xdf && bytes[1] >= 0x80 && bytes[1] <= 0xbf;

        assert_int_equal(is_utf8(bytes, 2), is_ascii || is_two);
    }
}

/* A character in more bytes than it needs is another spelling of it and must not pass. */
static void test_overlong(void **state)
{
    (void)state;
    for (uint32_t scalar = 0; scalar < 0x10000; scalar++) {
        uint8_t four[] = { 0xf0, (uint8_t)(0x80 | scalar >> 12),
                           (uint8_t)(0x80 | (scalar >> 6 & 0x3f)),
                           (uint8_t)(0x80 | (scalar & 0x3f)) };
        uint8_t three[] = { 0xe0, (uint8_t)(0x80 | (scalar >> 6 & 0x3f)),
                            (uint8_t)(0x80 | (scalar & 0x3f)) };

        assert_false(is_utf8(four, sizeof(four)));
        if (scalar < 0x800)
            assert_false(is_utf8(three, sizeof(three)));
    }
}

static void test_utf8_line(void **state)
{
    struct bench b;

    (void)state;
    assert_int_equal(toml_scan_check_utf8(begin_text(&b, "a\n\r\n\xc3\xa9\n\xc3")), -EBADMSG);
    assert_string_equal(b.failure.text, "s.toml:4: not UTF-8: byte 0xc3");
}

static void test_gap(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        int next; /* the byte that stops it; -2 for a refusal */
    } cases[] = {
        { "", 1, -1 },
        { " \t", 1, -1 },
        { "\n\r\n x", 3, 'x' },
        { "# c\n#\r\nx", 3, 'x' },
        { "# c", 1, -1 },
        { "\rx", 1, '\r' },
        { "# \x01\n", 1, -2 },
        { "\n# \r\n# \rx", 3, -2 },
        { "#\t\xc3\xa9\n=", 2, '=' },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        struct toml_scan *s = begin_text(&b, cases[i].text);

        assert_int_equal(toml_scan_gap(s), cases[i].next == -2 ? -EBADMSG : 0);
        assert_int_equal(s->line, cases[i].line);
        if (cases[i].next != -2)
            assert_int_equal(toml_scan_peek(s, 0), cases[i].next);
    }
}

static void test_line_end(void **state)
{
    static const struct {
        const char *text;
        int result;
        unsigned line;
    } cases[] = {
        { "", 0, 1 },          { "  \nx", 0, 2 },     { " # c\r\n\n", 0, 2 },    { "# c", 0, 1 },
        { " x", -EBADMSG, 1 }, { "\r", -EBADMSG, 1 }, { "# \x7f", -EBADMSG, 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        struct toml_scan *s = begin_text(&b, cases[i].text);

        assert_int_equal(toml_scan_line_end(s), cases[i].result);
        assert_int_equal(s->line, cases[i].line);
    }
}

static void test_strings(void **state)
{
    static const struct {
        const char *text, *string; /* NULL for a refusal */
        int next;
    } cases[] = {
        { "\"a\\tb\"x", "a\tb", 'x' },
        { "'a\\tb'x", "a\\tb", 'x' },
        { "\"\"x", "", 'x' },
        { "\"\"\"\na\"\"\"\"x", "a\"", 'x' },
        { "'''a''b'''''x", "a''b''", 'x' },
        { "\"\"\"a\"\"\"\"\"\"", "a\"\"", '"' },
        { "\"a", NULL, 0 },
        { "'a\n'", NULL, 0 },
        { "\"\\x\"", NULL, 0 },
        { "\"\\u12\"", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        struct toml_scan *s = begin_text(&b, cases[i].text);
        struct toml_text string = { NULL, 0 };
        int r = toml_scan_string(s, &string);

        assert_int_equal(r, cases[i].string ? 0 : -EBADMSG);
        if (cases[i].string) {
            assert_string_equal(string.bytes, cases[i].string);
            assert_int_equal(string.length, strlen(cases[i].string));
            assert_int_equal(toml_scan_peek(s, 0), cases[i].next);
        }
        end(&b);
    }
}

static void test_keys(void **state)
{
    static const struct {
        const char *text;
        size_t count; /* 0 for a refusal */
        const char *parts[3];
        int next;
    } cases[] = {
        { "a=", 1, { "a" }, '=' },        { " a . 'b.c' .\"d\" =", 3, { "a", "b.c", "d" }, '=' },
        { "1.2]", 2, { "1", "2" }, ']' }, { "", 0, { NULL }, 0 },
        { "a.", 0, { NULL }, 0 },         { "'''a'''", 0, { NULL }, 0 },
        { ".a", 0, { NULL }, 0 },         { "\xc3\xa9", 0, { NULL }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        struct toml_scan *s = begin_text(&b, cases[i].text);
        struct toml_path path;

        assert_int_equal(toml_scan_key(s, &path), cases[i].count > 0 ? 0 : -EBADMSG);
        if (cases[i].count > 0) {
            assert_int_equal(path.count, cases[i].count);
            assert_int_equal(toml_scan_peek(s, 0), cases[i].next);
        }
        for (size_t part = 0; part < cases[i].count; part++)
            assert_string_equal(path.parts[part].bytes, cases[i].parts[part]);
        end(&b);
    }
}

static void test_tokens(void **state)
{
    static const struct {
        const char *text, *token;
    } cases[] = {
        { "12,", "12" },
        { "+1_0.5e-3]", "+1_0.5e-3" },
        { "1979-05-27 07:32:00Z x", "1979-05-27 07:32:00Z" },
        { "1979-05-27 # c", "1979-05-27" },
        { "1979-05-27  07", "1979-05-27" },
        { "1234567890 1", "1234567890" },
        { "true}", "true" },
        { "?", "" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        struct toml_text token = toml_scan_token(begin_text(&b, cases[i].text));

        assert_int_equal(token.length, strlen(cases[i].token));
        assert_memory_equal(token.bytes ? token.bytes : "", cases[i].token, token.length);
    }
}

static void test_messages(void **state)
{
    struct bench b;
    struct toml_scan *s = begin_text(&b, "\x1b");
    char long_text[200];

    (void)state;
    assert_string_equal(toml_scan_next(s), "byte 0x1b");
    assert_string_equal(toml_scan_shown(s, (struct toml_text){ "a\0\x1b\xc3", 4 }), "a???");
    memset(long_text, 'x', sizeof(long_text));
    assert_int_equal(strlen(toml_scan_shown(s, (struct toml_text){ long_text, 200 })),
                     TOML_SHOWN_MAX - 1);
    assert_int_equal(toml_scan_fail_tree(s, -ERANGE), -ERANGE);
    assert_string_equal(b.failure.text, "s.toml:1: more than 32768 values");
    assert_int_equal(toml_scan_fail_tree(s, -ENOMEM), -ENOMEM);
    assert_int_equal(b.failure.code, CODE_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scalar), cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_overlong),     cmocka_unit_test(test_utf8_line),
        cmocka_unit_test(test_gap),          cmocka_unit_test(test_line_end),
        cmocka_unit_test(test_strings),      cmocka_unit_test(test_keys),
        cmocka_unit_test(test_tokens),       cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
