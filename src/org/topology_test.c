#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/topology.h"

#define LONGEST "12345678901234567890123456789012"

static struct topology make(const char *text)
{
    struct topology t;

    assert_int_equal(topology_parse(text, strlen(text), &t), 0);
    return t;
}

static void a_path_names_each_level(void **state)
{
    static const char path[] = "eu-north/hall2/r-7/n12/hba0/slot-3";
    static const char *const labels[] = { "eu-north", "hall2", "r-7", "n12", "hba0", "slot-3" };
    static const size_t ends[] = { 8, 14, 18, 22, 27, 34 };

    assert_int_equal(ends[TOPOLOGY_DEPTH_MAX - 1], strlen(path));
    for (unsigned depth = 1; depth <= TOPOLOGY_DEPTH_MAX; depth++) {
        struct topology t;

        assert_int_equal(topology_parse(path, ends[depth - 1], &t), 0);
        assert_int_equal(t.level, depth);
        for (unsigned i = 0; i < TOPOLOGY_DEPTH_MAX; i++)
            assert_string_equal(t.labels[i], i < depth ? labels[i] : "");
    }
}

static void the_longest_path_fits(void **state)
{
    static const char path[] = LONGEST "/" LONGEST "/" LONGEST "/" LONGEST "/" LONGEST "/" LONGEST;

    assert_int_equal(strlen(path), TOPOLOGY_TEXT_MAX);
    assert_string_equal(make(path).labels[5], LONGEST);
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       "a/",           "a/b/",          "/a/b",   "a//b",
        "a/b/c/", "A/b/c",        "a/b/c ",        "a/-b/c", "a/b-/c",
        "a/b_c",  "a/b/-",        LONGEST "3/b/c", "-",      "a/b/c/d/e/f/g",
        "/",      "a/b/c/d/e/f/",
    };
    struct topology t = make("x/y/z");

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(topology_parse(bad[i], strlen(bad[i]), &t), -EBADMSG);
        assert_string_equal(t.labels[2], "z");
    }
    assert_int_equal(topology_parse("a/b/c\0", 6, &t), -EBADMSG);
    for (size_t cut = 0; cut < 5; cut += 2)
        assert_int_equal(topology_parse("a/b/c", cut, &t), -EBADMSG);
}

static void a_member_has_three_labels(void **state)
{
    static const char *const bad[] = { "", "a", "a/b", "a/b/c/d", "a/b/c/d/e/f", "a/b/C" };
    struct topology t;

    assert_int_equal(topology_parse_labels("a/b/c", 5, &t), 0);
    assert_int_equal(t.level, TOPOLOGY_RACK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(topology_parse_labels(bad[i], strlen(bad[i]), &t), -EBADMSG);
    assert_string_equal(t.labels[2], "c");
}

static void what_is_shared(void **state)
{
    static const struct {
        const char *a, *b;
        enum topology_level shared;
    } cases[] = {
        { "r1/s1/k1", "r1/s1/k1", TOPOLOGY_RACK },
        { "r1/s1/k1", "r1/s1/k2", TOPOLOGY_SITE },
        { "r1/s1/k1", "r1/s2/k1", TOPOLOGY_REGION },
        { "r1/s1/k1", "r2/s1/k1", TOPOLOGY_ORG },
        { "r1/s1/k1/n1/c1/d1", "r1/s1/k1/n1/c1/d1", TOPOLOGY_DISK },
        { "r1/s1/k1/n1/c1/d1", "r1/s1/k1/n1/c1/d2", TOPOLOGY_CONTROLLER },
        { "r1/s1/k1/n1/c1/d1", "r1/s1/k1/n1/c2/d1", TOPOLOGY_NODE },
        { "r1/s1/k1/n1/c1/d1", "r1/s1/k1/n2/c1/d1", TOPOLOGY_RACK },
        { "r1/s1/k1/n1/c1/d1", "r1/s1", TOPOLOGY_SITE },
        { "r1", "r1/s1/k1/n1/c1/d1", TOPOLOGY_REGION },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct topology a = make(cases[i].a), b = make(cases[i].b);

        assert_int_equal(topology_shared(&a, &b), cases[i].shared);
        assert_int_equal(topology_shared(&b, &a), cases[i].shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_names_each_level),  cmocka_unit_test(the_longest_path_fits),
        cmocka_unit_test(anything_else_is_refused), cmocka_unit_test(a_member_has_three_labels),
        cmocka_unit_test(what_is_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
