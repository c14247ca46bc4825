#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/boots.h"

#define ID(last) "01234567-89ab-cdef-0123-456789abcde" last

static void test_lines(void **state)
{
    static const char *const bad[] = {
        "",
        ID("f"),
        ID("f") " 1",
        ID("f") " x v1",
        ID("f") " -1 v1",
        ID("f") " 1 ",
        ID("f") " 1 a/b",
        ID("f") " 1 a b",
        ID("F") " 1 v1",
        "0123456789ab-cdef-0123-456789abcdef-0 1 v1",
        ID("ff") " 1 v1",
    };
    struct boot boot;

    (void)state;
    assert_int_equal(boots_parse_line(ID("f") " 12 v1-node", 47, &boot), 0);
    assert_string_equal(boot.id, ID("f"));
    assert_int_equal(boot.seconds, 12);
    assert_string_equal(boot.generation, "v1-node");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(boots_parse_line(bad[i], strlen(bad[i]), &boot), -EBADMSG);
}

static void test_adding(void **state)
{
    static const char old[] = ID("1") " 1 a\nrubbish\n" ID("2") " 2 b\n";
    const struct boot third = { ID("3"), 3, "c" }, second = { ID("2"), 5, "b" };
    _cleanup_text_ struct text t = TEXT_INIT, again = TEXT_INIT, first = TEXT_INIT;

    (void)state;
    boots_add(old, strlen(old), &third, &t);
    assert_string_equal(text_string(&t), ID("1") " 1 a\n" ID("2") " 2 b\n" ID("3") " 3 c\n");
    boots_add(old, strlen(old), &second, &again);
    assert_string_equal(text_string(&again), ID("1") " 1 a\n" ID("2") " 5 b\n");
    boots_add("", 0, &third, &first);
    assert_string_equal(text_string(&first), ID("3") " 3 c\n");
}

static void test_the_oldest_go(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    struct boot boot = { .generation = "v1" };

    (void)state;
    for (uint64_t i = 0; i < 3 * BOOTS_KEPT_MAX; i++) {
        _cleanup_text_ struct text next = TEXT_INIT;

        boot.seconds = i;
        (void)snprintf(boot.id, sizeof(boot.id), "00000000-0000-0000-0000-%012x", (unsigned)i);
        boots_add(text_string(&t), t.length, &boot, &next);
        text_clear(&t);
        text_add(&t, text_string(&next));
    }
    assert_int_equal(strncmp(text_string(&t), "00000000-0000-0000-0000-000000000080 128 v1\n", 44),
                     0);
    assert_int_equal(text_status(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_the_oldest_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
