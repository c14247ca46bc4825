#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "org/topology.h"

static struct topology make(const char *text)
{
    struct topology t;

    assert_int_equal(topology_parse(text, strlen(text), &t), 0);
    return t;
}

static void three_labels_are_taken(void **state)
{
    struct topology t = make("eu-north/hall2/r-7");

    assert_string_equal(t.region, "eu-north");
    assert_string_equal(t.site, "hall2");
    assert_string_equal(t.rack, "r-7");
    (void)make("a/b/c");
    (void)make("12345678901234567890123456789012/b/c");
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       "a",      "a/b",     "a/b/",  "/a/b",
        "a//b",   "a/b/c/", "a/b/c/d", "A/b/c", "a/b/c ",
        "a/-b/c", "a/b-/c", "a/b_/c",  "a/b/-", "123456789012345678901234567890123/b/c"
    };
    struct topology t = make("x/y/z");

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(topology_parse(bad[i], strlen(bad[i]), &t), -EBADMSG);
        assert_string_equal(t.rack, "z");
    }
    assert_int_equal(topology_parse("a/b/c\0", 6, &t), -EBADMSG);
    for (size_t cut = 0; cut < 5; cut++)
        assert_int_equal(topology_parse("a/b/c", cut, &t), -EBADMSG);
}

static void what_is_shared(void **state)
{
    struct topology a = make("r1/s1/k1"), same = make("r1/s1/k1"), rack = make("r1/s1/k2");
    struct topology site = make("r1/s2/k1"), region = make("r2/s1/k1");

    assert_int_equal(topology_shared(&a, &same), TOPOLOGY_RACK);
    assert_int_equal(topology_shared(&a, &rack), TOPOLOGY_SITE);
    assert_int_equal(topology_shared(&a, &site), TOPOLOGY_REGION);
    assert_int_equal(topology_shared(&a, &region), TOPOLOGY_ORG);
    assert_int_equal(topology_shared(&region, &a), TOPOLOGY_ORG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_labels_are_taken),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(what_is_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
