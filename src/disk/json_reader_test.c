#include "disk/json_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"

/* Walks over the members of an object; their number, or the error. */
static int count_members(const char *text, size_t size)
{
    struct json_reader whole = json_reader_make(text, size), object, value;
    struct json_text key;
    int r = json_reader_object(&whole, &object), count = 0;

    while (r == 0 && (r = json_reader_member(&object, &key, &value)) > 0) {
        count++;
        r = 0;
    }
    return r < 0 ? r : count;
}

static int count_elements(const char *text)
{
    struct json_reader whole = json_reader_make(text, strlen(text)), list, value;
    int r = json_reader_list(&whole, &list), count = 0;

    while (r == 0 && (r = json_reader_element(&list, &value)) > 0) {
        count++;
        r = 0;
    }
    return r < 0 ? r : count;
}

static void test_members(void **unused)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        { "{}", 0 },
        { " { } \n", 0 },
        { "{\"a\":1}", 1 },
        { "{\"a\":1, \"b\" : [1,{\"x\":[]}], \"c\":\"}\\\"\" }", 3 },
        { "{\"a\":{\"b\":\"]\"},\"c\":null}", 2 },
        { "", -EBADMSG },
        { "[]", -EBADMSG },
        { "{", -EBADMSG },
        { "{\"a\":1", -EBADMSG },
        { "{\"a\":1,}", -EBADMSG },
        { "{,\"a\":1}", -EBADMSG },
        { "{\"a\" 1}", -EBADMSG },
        { "{\"a\":}", -EBADMSG },
        { "{a:1}", -EBADMSG },
        { "{\"a\":1 \"b\":2}", -EBADMSG },
        { "{\"a\":[}]}", -EBADMSG },
        { "{\"a\":\"\n\"}", -EBADMSG },
        { "{\"a\":\"\\\"}", -EBADMSG },
        { "{} {}", -EBADMSG },
        { "{}x", -EBADMSG },
        { "{\"a\":%}", -EBADMSG },
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int result = count_members(cases[i].text, strlen(cases[i].text));

        if (result != cases[i].result)
            fail_msg("'%s' gave %d", cases[i].text, result);
    }
}

static void test_elements(void **unused)
{
    (void)unused;
    assert_int_equal(count_elements("[]"), 0);
    assert_int_equal(count_elements("[\"1\", 2,[3],{\"a\":[]}]"), 4);
    assert_int_equal(count_elements("[1,]"), -EBADMSG);
    assert_int_equal(count_elements("[1 2]"), -EBADMSG);
    assert_int_equal(count_elements("{}"), -EBADMSG);
    assert_int_equal(count_elements("[1"), -EBADMSG);
}

/* As deep as allowed is walked over, one deeper and a million deeper are refused alike. */
static void test_depth(void **unused)
{
    enum { BOMB = 1000000 };
    _cleanup_free_ char *text = malloc(BOMB);
    const char start[] = "{\"a\":";
    size_t length = sizeof(start) - 1;

    (void)unused;
    assert_non_null(text);
    memcpy(text, start, length);
    memset(text + length, '[', BOMB - length);
    assert_int_equal(count_members(text, BOMB), -EBADMSG);
    memset(text + length + JSON_READER_DEPTH_MAX, ']', JSON_READER_DEPTH_MAX);
    text[length + 2 * JSON_READER_DEPTH_MAX] = '}';
    assert_int_equal(count_members(text, length + 2 * JSON_READER_DEPTH_MAX + 1), 1);
    memset(text + length, '[', JSON_READER_DEPTH_MAX + 1);
    memset(text + length + JSON_READER_DEPTH_MAX + 1, ']', JSON_READER_DEPTH_MAX + 1);
    text[length + 2 * JSON_READER_DEPTH_MAX + 2] = '}';
    assert_int_equal(count_members(text, length + 2 * JSON_READER_DEPTH_MAX + 3), -EBADMSG);
}

static void test_scalars(void **unused)
{
    struct json_reader v = json_reader_make(" 17 ", 4);
    struct json_text text;
    uint64_t number = 5;
    bool flag = true;

    (void)unused;
    assert_int_equal(json_reader_number(&v, 20, &number), 0);
    assert_int_equal(number, 17);
    assert_int_equal(json_reader_number(&v, 16, &number), -ERANGE);
    assert_int_equal(json_reader_flag(&v, &flag), -EBADMSG);
    assert_int_equal(json_reader_text(&v, &text), -EBADMSG);
    v = json_reader_make("false", 5);
    assert_int_equal(json_reader_flag(&v, &flag), 0);
    assert_false(flag);
    v = json_reader_make("-1", 2);
    assert_int_equal(json_reader_number(&v, 20, &number), -EBADMSG);
    v = json_reader_make("1e3", 3);
    assert_int_equal(json_reader_number(&v, 2000, &number), -EBADMSG);
    v = json_reader_make("\"x\"", 3);
    assert_int_equal(json_reader_text(&v, &text), 0);
    assert_int_equal(text.size, 1);
    v = json_reader_make("\"x\" y", 5);
    assert_int_equal(json_reader_text(&v, &text), -EBADMSG);
}

static void test_text(void **unused)
{
    static const struct json_text slash = { "a\\/b", 4 }, other = { "a\\u0062", 7 },
                                  end = { "a\\", 2 }, wide = { "\xc3\xa9", 2 };
    char copy[4] = "old";

    (void)unused;
    assert_true(json_text_is(&slash, "a/b"));
    assert_false(json_text_is(&slash, "a/bc"));
    assert_false(json_text_is(&slash, "a/"));
    assert_false(json_text_is(&other, "ab"));
    assert_int_equal(json_text_copy(&slash, copy, sizeof(copy)), 0);
    assert_string_equal(copy, "a/b");
    assert_int_equal(json_text_copy(&slash, copy, 3), -ERANGE);
    assert_int_equal(json_text_copy(&other, copy, sizeof(copy)), -EBADMSG);
    assert_int_equal(json_text_copy(&end, copy, sizeof(copy)), -EBADMSG);
    assert_int_equal(json_text_copy(&wide, copy, sizeof(copy)), -EBADMSG);
}

/* No prefix of a good text is good. */
static void test_truncated(void **unused)
{
    static const char text[] =
        "{\"tokens\":{\"0\":{\"type\":\"t\",\"list\":[1,\"2\"]}},\"x\":true}";

    (void)unused;
    assert_int_equal(count_members(text, sizeof(text) - 1), 2);
    for (size_t size = 0; size < sizeof(text) - 1; size++)
        assert_int_equal(count_members(text, size), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_elements),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_text),    cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
