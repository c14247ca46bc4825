#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        { "", "", 0 },
        { "", "abc", 3 },
        { "kernel", "kernel", 0 },
        { "kernal", "kernel", 1 },
        { "kernl", "kernel", 1 },
        { "kernnel", "kernel", 1 },
        { "kenrel", "kernel", 1 }, /* neighbours swapped */
        { "kitten", "sitting", 3 },
        { "ca", "abc", 3 }, /* restricted: a swapped pair is not edited again */
        { "abcd", "badc", 2 },
        { "abc", "xyz", 3 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

/* The definition, written as it is read; exponential and only for short words. */
static size_t slow_distance(const char *a, size_t i, const char *b, size_t j)
{
    size_t best, other;

    if (i == 0 || j == 0)
        return i + j;
    best = slow_distance(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1] ? 1 : 0);
    other = slow_distance(a, i - 1, b, j) + 1;
    best = other < best ? other : best;
    other = slow_distance(a, i, b, j - 1) + 1;
    best = other < best ? other : best;
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        other = slow_distance(a, i - 2, b, j - 2) + 1;
        best = other < best ? other : best;
    }
    return best;
}

/* All pairs of words up to four letters of an alphabet of two. */
static void test_against_definition(void **state)
{
    char words[31][5] = { { 0 } };
    size_t count = 1;

    (void)state;
    for (size_t length = 1; length <= 4; length++) {
        for (unsigned bits = 0; bits < 1u << length; bits++, count++) {
            for (size_t i = 0; i < length; i++)
                words[count][i] = bits >> i & 1 ? 'b' : 'a';
        }
    }
    assert_int_equal(count, ARRAY_SIZE(words));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++)
            assert_int_equal(nearest_distance(words[i], words[j]),
                             slow_distance(words[i], strlen(words[i]), words[j], strlen(words[j])));
    }
}

static void test_long_words(void **state)
{
    char word[66] = { 0 };

    (void)state;
    memset(word, 'x', 64);
    assert_int_equal(nearest_distance(word, word), 0);
    assert_int_equal(nearest_distance(word, ""), 64);
    word[64] = 'x';
    assert_true(nearest_distance(word, "x") == SIZE_MAX);
    assert_true(nearest_distance("x", word) == SIZE_MAX);
}

static void test_name(void **state)
{
    static const char *const names[] = { "kernel", "keys", "init", "packages", "a" };
    static const struct {
        const char *word, *expected;
    } cases[] = {
        { "kernal", "kernel" },    { "kerenl", "kernel" }, { "krnl", NULL },
        { "key", "keys" },         { "inti", "init" },     { "pakages", "packages" },
        { "package", "packages" }, { "zzz", NULL },        { "b", "a" },
        { "kernelxxx", "kernel" }, { "kernelxxxx", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *found = nearest_name(cases[i].word, names, ARRAY_SIZE(names));

        if (!cases[i].expected)
            assert_null(found);
        else
            assert_string_equal(found, cases[i].expected);
    }
    assert_null(nearest_name("kernel", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
