#include "base/toml_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/line.h"
#include "base/test_death.h"

static void test_accessors(void **state)
{
    static const char text[] = "a = 'x'\n\nb = \"y\\u0000z\"\n\"k\\u0000\" = 1\n[t]\n[[u]]\n";
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;
    const struct toml_value *root;
    size_t length = 0;

    (void)state;
    assert_int_equal(toml_parse("t.toml", text, sizeof(text) - 1, &document, &f), 0);
    root = toml_root(document);
    assert_string_equal(toml_name(document), "t.toml");
    assert_int_equal(toml_line(root), 1);
    assert_int_equal(toml_count(root), 5);
    assert_null(toml_get(root, "c"));
    assert_null(toml_get(root, ""));
    assert_string_equal(toml_string(toml_get(root, "a"), NULL), "x");
    assert_string_equal(toml_key_at(root, 0), "a");
    assert_ptr_equal(toml_at(root, 0), toml_get(root, "a"));
    assert_int_equal(toml_line(toml_get(root, "b")), 3);
    assert_null(toml_string(toml_get(root, "b"), NULL)); /* not a C string */
    assert_memory_equal(toml_string(toml_get(root, "b"), &length), "y\0z", 4);
    assert_int_equal(length, 3);
    assert_null(toml_get(root, "k")); /* the key is "k" and a zero */
    assert_int_equal(toml_key_length(root, 2), 2);
    assert_int_equal(toml_line(toml_get(root, "t")), 5);
    assert_int_equal(toml_line(toml_at(toml_get(root, "u"), 0)), 6);
    assert_string_equal(toml_kind_name(toml_kind(toml_get(root, "u"))), "an array");
    toml_free(NULL);
}

static const struct toml_value *wrong_kind;

static void call_count(void)
{
    (void)toml_count(wrong_kind);
}

static void call_at(void)
{
    (void)toml_at(wrong_kind, 0);
}

static void call_get(void)
{
    (void)toml_get(wrong_kind, "a");
}

static void call_key_at(void)
{
    (void)toml_key_at(wrong_kind, 0);
}

static void call_key_length(void)
{
    (void)toml_key_length(wrong_kind, 0);
}

static void call_string(void)
{
    (void)toml_string(wrong_kind, NULL);
}

static void call_integer(void)
{
    (void)toml_integer(wrong_kind);
}

static void call_float(void)
{
    (void)toml_float(wrong_kind);
}

static void call_time(void)
{
    (void)toml_time(wrong_kind);
}

static void call_boolean(void)
{
    (void)toml_boolean(wrong_kind);
}

static void test_wrong_kind(void **state)
{
    static void (*const on_boolean[])(void) = { call_count,   call_at,         call_get,
                                                call_key_at,  call_key_length, call_string,
                                                call_integer, call_float,      call_time };
    _cleanup_toml_ struct toml *document = NULL;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(toml_parse("t.toml", "a = true\nb = 1\nc = []", 21, &document, &f), 0);
    wrong_kind = toml_get(toml_root(document), "a");
    for (size_t i = 0; i < ARRAY_SIZE(on_boolean); i++)
        assert_true(test_death_by_abort(on_boolean[i], NULL, 0));
    wrong_kind = toml_get(toml_root(document), "b");
    assert_true(test_death_by_abort(call_boolean, NULL, 0));
    wrong_kind = toml_get(toml_root(document), "c"); /* empty: no index is below the count */
    assert_true(test_death_by_abort(call_at, NULL, 0));
    assert_true(test_death_by_abort(call_key_at, NULL, 0));
}

static struct toml_value *make(struct toml *document, enum toml_kind kind)
{
    struct toml_value *value = NULL;

    assert_int_equal(toml_tree_make(document, kind, TOML_ORIGIN_INLINE, 7, &value), 0);
    assert_int_equal(value->line, 7);
    assert_int_equal(value->count, 0);
    return value;
}

/* Entries stay in order and findable while their table and array grow. */
static void test_growth(void **state)
{
    _cleanup_toml_ struct toml *document = calloc(1, sizeof(struct toml));
    struct toml_value *table, *array;

    (void)state;
    assert_non_null(document);
    table = make(document, TOML_TABLE);
    array = make(document, TOML_ARRAY);
    for (int i = 0; i < 300; i++) {
        struct toml_value *value = make(document, TOML_INTEGER);
        char name[16];
        struct line l = line_make(name, sizeof(name));
        struct toml_text key;

        line_addf(&l, "k%d", i);
        assert_int_equal(toml_tree_copy(document, name, l.length, &key), 0);
        value->as.integer = i;
        assert_null(toml_tree_find(table, key));
        assert_int_equal(toml_tree_insert(document, table, key, value), 0);
        assert_int_equal(toml_tree_append(document, array, value), 0);
        assert_ptr_equal(toml_tree_find(table, key), value);
    }
    assert_int_equal(toml_count(table), 300);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(toml_integer(toml_at(table, i)), i);
        assert_ptr_equal(toml_at(array, i), toml_at(table, i));
        assert_ptr_equal(toml_get(table, toml_key_at(table, i)), toml_at(table, i));
    }
}

/* A key is its bytes and its length: neither a prefix nor a zero inside makes two keys one. */
static void test_keys(void **state)
{
    static const struct toml_text keys[] = {
        { "", 0 }, { "a", 1 }, { "a\0", 2 }, { "a\0b", 3 }, { "ab", 2 }, { "\0", 1 }, { "\0\0", 2 },
    };
    _cleanup_toml_ struct toml *document = calloc(1, sizeof(struct toml));
    struct toml_value *table;

    (void)state;
    assert_non_null(document);
    table = make(document, TOML_TABLE);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct toml_value *value = make(document, TOML_BOOLEAN);

        assert_null(toml_tree_find(table, keys[i]));
        assert_int_equal(toml_tree_insert(document, table, keys[i], value), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_ptr_equal(toml_tree_find(table, keys[i]), toml_at(table, i));
}

static void test_value_limit(void **state)
{
    _cleanup_toml_ struct toml *document = calloc(1, sizeof(struct toml));
    struct toml_value *value = NULL;

    (void)state;
    assert_non_null(document);
    document->value_count = TOML_VALUES_MAX - 1;
    (void)make(document, TOML_STRING);
    assert_int_equal(toml_tree_make(document, TOML_STRING, TOML_ORIGIN_INLINE, 1, &value), -ERANGE);
    assert_null(value);
}

static void test_kind_names(void **state)
{
    (void)state;
    for (int kind = TOML_STRING; kind <= TOML_TABLE; kind++) {
        assert_int_equal(toml_kind_name((enum toml_kind)kind)[0], 'a');
        for (int other = TOML_STRING; other < kind; other++)
            assert_string_not_equal(toml_kind_name((enum toml_kind)kind),
                                    toml_kind_name((enum toml_kind)other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accessors),   cmocka_unit_test(test_wrong_kind),
        cmocka_unit_test(test_growth),      cmocka_unit_test(test_keys),
        cmocka_unit_test(test_value_limit), cmocka_unit_test(test_kind_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
