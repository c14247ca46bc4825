#include "base/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/test_death.h"
#include "base/test_json.h"

static void test_add(void **state)
{
    char buffer[32];
    struct line l = line_make(buffer, sizeof(buffer));

    (void)state;
    assert_string_equal(buffer, "");
    line_add(&l, "ab");
    line_add_bytes(&l, "cdX", 2);
    line_add_bytes(&l, NULL, 0);
    line_addf(&l, "%s-%d", "e", 5);
    assert_string_equal(buffer, "abcde-5");
    assert_int_equal(l.length, 7);
    assert_false(l.cut);
}

static void fill(struct line *l, int way)
{
    switch (way) {
    case 0:
        line_add(l, "0123456789");
        break;
    case 1:
        line_add_bytes(l, "0123456789", 10);
        break;
    default:
        line_addf(l, "%s%d", "01234567", 89);
        break;
    }
}

/* Every way to add at every capacity: the text is the longest prefix that fits, terminated, and
 * `cut` tells the truth. The byte after the buffer stays as it was. */
static void test_cut(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        for (size_t capacity = 1; capacity < 14; capacity++) {
            char buffer[16];
            struct line l;

            memset(buffer, '#', sizeof(buffer));
            l = line_make(buffer, capacity);
            fill(&l, way);
            assert_int_equal(l.cut, capacity < 11);
            assert_int_equal(l.length, capacity < 11 ? capacity - 1 : 10);
            assert_int_equal(strlen(buffer), l.length);
            assert_int_equal(strncmp(buffer, "0123456789", l.length), 0);
            assert_int_equal(buffer[capacity], '#');
            if (!l.cut)
                continue;
            fill(&l, way); /* a full line stays as it is */
            assert_int_equal(l.length, capacity - 1);
            assert_true(l.cut);
        }
    }
}

static void test_pairs(void **state)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {
        { "plain", "k=plain" },     { "a-b.c_d:e/f@g+h,1", "k=a-b.c_d:e/f@g+h,1" },
        { "", "k=\"\"" },           { "a b", "k=\"a b\"" },
        { "a=b", "k=\"a=b\"" },     { "\"\\", "k=\"\\\"\\\\\"" },
        { "a\nb", "k=\"a\\nb\"" },  { "\t\r\x1b\x7f", "k=\"????\"" },
        { "\xc3\xa9", "k=\"??\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buffer[64];
        struct line l = line_make(buffer, sizeof(buffer));

        line_add_pair(&l, "k", cases[i].value);
        assert_string_equal(buffer, cases[i].expected);
    }
}

static void test_many_pairs(void **state)
{
    char buffer[64];
    struct line l = line_make(buffer, sizeof(buffer));

    (void)state;
    line_add_number(&l, "a", 0);
    line_add_number(&l, "b", UINT64_MAX);
    line_add_pair(&l, "c", "x y");
    assert_string_equal(buffer, "a=0 b=18446744073709551615 c=\"x y\"");
}

/* A value of any bytes stays one logfmt value: printable, on one line, its quotes closed at the end
 * and nowhere before. */
static void test_any_pair(void **state)
{
    (void)state;
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char value[] = { (char)first, (char)second, '\0' }, buffer[32];
            struct line l = line_make(buffer, sizeof(buffer));
            const char *p = buffer + 2;

            line_add_pair(&l, "k", value);
            if (*p++ != '"') {
                assert_string_equal(buffer + 2, value);
                continue;
            }
            for (; *p != '"'; p++) {
                assert_in_range(*p, ' ', '~');
                if (*p == '\\')
                    p++;
            }
            assert_int_equal(p[1], '\0');
        }
    }
}

static void test_json(void **state)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {
        { "", "\"\"" },
        { "a b", "\"a b\"" },
        { "\"\\/", "\"\\\"\\\\/\"" },
        { "\n\x01\x7f", "\"\\u000a\\u0001\\u007f\"" },
        { "\xff", "\"\\u00ff\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char buffer[64];
        struct line l = line_make(buffer, sizeof(buffer));

        line_add_json_string(&l, cases[i].value);
        assert_string_equal(buffer, cases[i].expected);
    }
}

static void test_any_json(void **state)
{
    (void)state;
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char value[] = { (char)first, (char)second, '\0' }, buffer[32];
            struct line l = line_make(buffer, sizeof(buffer));

            line_add_json_string(&l, value);
            assert_true(test_json_is_valid(buffer));
        }
    }
}

/* The judge of the test above must be able to say no. */
static void test_json_judge(void **state)
{
    static const char *const good[] = { "0",  " -1 ", "\"\\u00Ff\\n\"", "[]", "[1, {\"a\":[true]}]",
                                        "{}", "null" };
    static const char *const bad[] = { "",        "01",          "\"",   "\"\n\"",
                                       "\"\\x\"", "\"\\u00g0\"", "[1,]", "[1 2]",
                                       "{\"a\"}", "{a:1}",       "1 2",  "[",
                                       "nul",     "-",           "\"\\" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(test_json_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(test_json_is_valid(bad[i]));
}

static void make_without_room(void)
{
    char buffer[1];

    (void)line_make(buffer, 0);
}

static void test_no_room(void **state)
{
    (void)state;
    assert_true(test_death_by_abort(make_without_room, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),      cmocka_unit_test(test_cut),
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_many_pairs),
        cmocka_unit_test(test_any_pair), cmocka_unit_test(test_json),
        cmocka_unit_test(test_any_json), cmocka_unit_test(test_json_judge),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
