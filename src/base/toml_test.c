#include "base/toml.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/test_heap.h"
#include "base/text.h"

enum { TREE_MAX = 4096 };

static void show_value(struct line *l, const struct toml_value *value);

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~' && c != '~';
}

static void show_bytes(struct line *l, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        line_addf(l, is_printable(bytes[i]) ? "%c" : "~%02X", (unsigned char)bytes[i]);
}

static void show_key(struct line *l, const char *key, size_t length)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    bool is_plain = length > 0 && strspn(key, plain) == length;

    line_add(l, is_plain ? "" : "<");
    show_bytes(l, key, length);
    line_add(l, is_plain ? ":" : ">:");
}

static void show_time(struct line *l, enum toml_kind kind, struct toml_time t)
{
    line_add(l, "@");
    if (kind != TOML_LOCAL_TIME)
        line_addf(l, "%04u-%02u-%02u", t.year, t.month, t.day);
    if (kind == TOML_LOCAL_DATETIME || kind == TOML_OFFSET_DATETIME)
        line_add(l, "T");
    if (kind != TOML_LOCAL_DATE)
        line_addf(l, "%02u:%02u:%02u.%09u", t.hour, t.minute, t.second, t.nanosecond);
    if (kind == TOML_OFFSET_DATETIME)
        line_addf(l, "%c%02d:%02d", t.offset_minutes < 0 ? '-' : '+', abs(t.offset_minutes) / 60,
                  abs(t.offset_minutes) % 60);
}

static void show_entries(struct line *l, const struct toml_value *value)
{
    bool is_table = toml_kind(value) == TOML_TABLE;

    line_add(l, is_table ? "{" : "[");
    for (size_t i = 0; i < toml_count(value); i++) {
        line_add(l, i > 0 ? "," : "");
        if (is_table)
            show_key(l, toml_key_at(value, i), toml_key_length(value, i));
        show_value(l, toml_at(value, i));
    }
    line_add(l, is_table ? "}" : "]");
}

static void show_value(struct line *l, const struct toml_value *value)
{
    const char *bytes;
    size_t length;

    switch (toml_kind(value)) {
    case TOML_STRING:
        bytes = toml_string(value, &length);
        assert_int_equal(bytes[length], '\0');
        line_add(l, "<");
        show_bytes(l, bytes, length);
        line_add(l, ">");
        break;
    case TOML_INTEGER:
        line_addf(l, "%lld", (long long)toml_integer(value));
        break;
    case TOML_FLOAT:
        if (isnan(toml_float(value)))
            line_add(l, "fnan"); /* its sign means nothing */
        else
            line_addf(l, "f%.17g", toml_float(value));
        break;
    case TOML_BOOLEAN:
        line_add(l, toml_boolean(value) ? "true" : "false");
        break;
    case TOML_OFFSET_DATETIME:
    case TOML_LOCAL_DATETIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        show_time(l, toml_kind(value), toml_time(value));
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        show_entries(l, value);
        break;
    }
}

/* Parses a copy of exactly this size, so that the sanitizers see a read beyond the end. */
static int parse(const char *bytes, size_t size, struct toml **ret, struct failure *f)
{
    _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return toml_parse("t.toml", copy, size, ret, f);
}

static void test_valid(void **state)
{
    static const struct {
        const char *document;
        size_t size;
        const char *tree;
    } cases[] = {
#define VALID(document, tree) { document, sizeof(document) - 1, tree },
#include "base/toml_test_valid.def"
#undef VALID
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_toml_ struct toml *document = NULL;
        struct failure f = FAILURE_NONE;
        char tree[TREE_MAX];
        struct line l = line_make(tree, sizeof(tree));
        int r = parse(cases[i].document, cases[i].size, &document, &f);

        if (r < 0)
            fail_msg("refused: %s\nin: %s", f.text, cases[i].document);
        show_value(&l, toml_root(document));
        assert_string_equal(tree, cases[i].tree);
    }
}

static void test_invalid(void **state)
{
    static const struct {
        unsigned line;
        const char *document;
        size_t size;
    } cases[] = {
#define INVALID(line, document) { line, document, sizeof(document) - 1 },
#include "base/toml_test_invalid.def"
#undef INVALID
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct toml *document = NULL;
        struct failure f = FAILURE_NONE;
        char prefix[32];
        struct line l = line_make(prefix, sizeof(prefix));

        if (parse(cases[i].document, cases[i].size, &document, &f) == 0)
            fail_msg("accepted: %s", cases[i].document);
        assert_null(document);
        assert_int_equal(f.cause, -EBADMSG);
        assert_int_equal(f.code, CODE_SYNTAX);
        line_addf(&l, "t.toml:%u: ", cases[i].line);
        if (strncmp(f.text, prefix, strlen(prefix)) != 0)
            fail_msg("expected line %u, got: %s\nin: %s", cases[i].line, f.text, cases[i].document);
        for (const char *p = f.text; *p; p++)
            assert_in_range(*p, ' ', '~'); /* input never reaches a terminal as it is */
    }
}

static void test_messages(void **state)
{
    static const struct {
        const char *document, *message;
    } cases[] = {
        { "a", "t.toml:1: expected '=' after the key, found the end of the file" },
        { "a\r\n", "t.toml:1: expected '=' after the key, found the end of the line" },
        { "a \x1b", "t.toml:1: expected '=' after the key, found byte 0x1b" },
        { "=", "t.toml:1: expected a key, found '='" },
        { "a = ?", "t.toml:1: expected a value, found '?'" },
        { "a = 1x", "t.toml:1: '1x' is no value" },
        { "a = 1e999", "t.toml:1: '1e999' does not fit into 64 bits" },
        { "a = -1e999", "t.toml:1: '-1e999' does not fit into 64 bits" },
        { "a = 1\n[b]\n\n[b]", "t.toml:4: 'b' is already defined at line 2" },
        { "\"\\u001b[m\" = 1\n'\\' = 2\n\"\\u001b[m\" = 2",
          "t.toml:3: '?[m' is already defined at line 1" },
        { "a = '''\n\n", "t.toml:3: the string that begins at line 1 has no end" },
        { "a = \"\\ud800\"", "t.toml:1: U+D800 is no Unicode scalar value" },
        { "a = \"\\u12\"", "t.toml:1: \\u takes 4 hexadecimal digits" },
        { "a = \"\\U12\"", "t.toml:1: \\U takes 8 hexadecimal digits" },
        { "a = 1 b", "t.toml:1: expected the end of the line, found 'b'" },
        { "\xff", "t.toml:1: not UTF-8: byte 0xff" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct toml *document = NULL;
        struct failure f = FAILURE_NONE;

        assert_int_equal(parse(cases[i].document, strlen(cases[i].document), &document, &f),
                         -EBADMSG);
        assert_string_equal(f.text, cases[i].message);
    }
}

/* One document with everything in it. */
static const char sample[] = "\xef\xbb\xbf# c\r\n"
                             "s = \"a\\u00e9\\n\\\"\"\n"
                             "m = \"\"\"\na \\\n  b\"\"\"\"\n"
                             "'l' = 'x' # c\n"
                             "r = '''\ny'z'''\n"
                             "i = [0x1f, -1_0, 0o7, 0b1,]\n"
                             "f = [1.5e-3, inf, -nan]\n"
                             "d = [1979-05-27 07:32:00.5Z, 1979-05-27T07:32:00-01:30]\n"
                             "t = {a.b = 07:32:00, c = {d = true}}\n"
                             "[x.\"y\"]\n"
                             "z.w = 2000-02-29\n"
                             "[[x.q]]\n"
                             "[[x.q]]\n"
                             "\xc3\x28 = 1";

/* The last line of the sample is there for the invalid twin; this is the size of the valid part. */
enum { SAMPLE_SIZE = sizeof(sample) - 1 - 6 };

/* Whatever the bytes are: a document that can be walked, or a refusal that is set. */
static bool survives(const char *bytes, size_t size)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;
    char tree[TREE_MAX];
    struct line l = line_make(tree, sizeof(tree));

    if (parse(bytes, size, &document, &f) < 0) {
        assert_null(document);
        assert_int_equal(strncmp(f.text, "t.toml:", 7), 0);
        return false;
    }
    show_value(&l, toml_root(document));
    return true;
}

static void test_flip_each_bit(void **state)
{
    char copy[SAMPLE_SIZE];
    size_t accepted = 0;

    (void)state;
    assert_true(survives(sample, SAMPLE_SIZE));
    assert_false(survives(sample, sizeof(sample) - 1));
    for (size_t i = 0; i < SAMPLE_SIZE * 8; i++) {
        memcpy(copy, sample, SAMPLE_SIZE);
        copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
        accepted += survives(copy, SAMPLE_SIZE) ? 1 : 0;
    }
    /* Both verdicts occur: a test that only ever sees one would prove little. */
    assert_true(accepted > SAMPLE_SIZE / 8 && accepted < SAMPLE_SIZE * 8);
}

static void test_truncate_at_each_byte(void **state)
{
    (void)state;
    for (size_t size = 0; size < SAMPLE_SIZE; size++)
        (void)survives(sample, size);
}

static void test_out_of_memory(void **state)
{
    size_t failures = 0;

    (void)state;
    for (;;) {
        _cleanup_toml_ struct toml *document = NULL;
        struct failure f = FAILURE_NONE;
        int r;

        test_heap_fail_at(failures + 1);
        r = toml_parse("t.toml", sample, SAMPLE_SIZE, &document, &f);
        if (!test_heap_has_failed()) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(f.code, CODE_INTERNAL);
        assert_null(document);
        failures++;
    }
    test_heap_fail_at(0);
    assert_true(failures > 50);
}

static void check_limit(const struct text *t, int expected)
{
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;

    assert_int_equal(text_status(t), 0);
    assert_int_equal(toml_parse("t.toml", t->data, t->length, &document, &f), expected);
    if (expected < 0)
        assert_int_equal(f.code, CODE_SYNTAX);
}

static void add_times(struct text *t, const char *string, size_t times)
{
    for (size_t i = 0; i < times; i++)
        text_add(t, string);
}

static void test_limit_depth(void **state)
{
    static const struct {
        const char *before, *repeated, *middle, *closing;
        size_t times; /* the greatest good number */
    } cases[] = {
        { "a = ", "[", "", "]", TOML_DEPTH_MAX },
        { "", "a = {", "", "}", TOML_DEPTH_MAX },
        { "", "a.", "a = 1", "", TOML_DEPTH_MAX - 1 },
        { "[", "a.", "a]", "", TOML_DEPTH_MAX - 1 },
        { "[[", "a.", "a]]", "", TOML_DEPTH_MAX - 1 },
        { "[a]\n", "a.", "a = 1", "", TOML_DEPTH_MAX - 2 },
        { "[[a.a]]\na = ", "[", "", "]", TOML_DEPTH_MAX - 2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t more = 0; more < 2; more++) {
            _cleanup_text_ struct text t = TEXT_INIT;

            text_add(&t, cases[i].before);
            add_times(&t, cases[i].repeated, cases[i].times + more);
            text_add(&t, cases[i].middle);
            add_times(&t, cases[i].closing, cases[i].times + more);
            check_limit(&t, more ? -ERANGE : 0);
        }
    }
}

/* Nesting as deep as the document is long ends at the limit, not at the end of the stack. */
static void test_limit_stack(void **state)
{
    static const char *const openings[] = { "[", "{a=", "a.", "[[", "[{a=" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(openings); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        text_add(&t, "a = ");
        if (strcmp(openings[i], "a.") == 0)
            text_clear(&t);
        add_times(&t, openings[i], 100000);
        check_limit(&t, -ERANGE);
    }
}

static void test_limit_values(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        text_add(&t, "a = [");
        add_times(&t, "1,", TOML_VALUES_MAX - 2 + more); /* the root and the array are values too */
        text_add(&t, "]");
        check_limit(&t, more ? -ERANGE : 0);
    }
}

static void test_limit_size(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        text_add(&t, "a = '");
        add_times(&t, "0123456789abcde", (TOML_SIZE_MAX - 6) / 15);
        add_times(&t, "x", (TOML_SIZE_MAX - 6) % 15 + more);
        text_add(&t, "'");
        check_limit(&t, more ? -ERANGE : 0);
    }
}

/* Many keys in one table: an error here would show in the time of the test. */
static void test_many_keys(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    for (unsigned i = 0; i < 20000; i++)
        text_addf(&t, "k%u = %u\n", i, i);
    assert_int_equal(text_status(&t), 0);
    assert_int_equal(toml_parse("t.toml", t.data, t.length, &document, &f), 0);
    assert_int_equal(toml_count(toml_root(document)), 20000);
    assert_int_equal(toml_integer(toml_get(toml_root(document), "k19999")), 19999);
    assert_int_equal(toml_line(toml_get(toml_root(document), "k19999")), 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_flip_each_bit),
        cmocka_unit_test(test_truncate_at_each_byte),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_limit_depth),
        cmocka_unit_test(test_limit_stack),
        cmocka_unit_test(test_limit_values),
        cmocka_unit_test(test_limit_size),
        cmocka_unit_test(test_many_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
