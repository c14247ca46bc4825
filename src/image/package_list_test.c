#include "image/package_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/test_heap.h"
#include "base/text.h"
#include "sys/test_folder.h"

static int parse(const char *text, struct package_list *ret, struct failure *f)
{
    return package_list_parse("p.txt", (const uint8_t *)text, strlen(text), ret, f);
}

static void test_valid(void **state)
{
    static const struct {
        const char *text, *names; /* names parted by spaces */
    } cases[] = {
        { "", "" },
        { "\n\n", "" },
        { "# only\n  # comments\n", "" },
        { "apt\n", "apt" },
        { "  apt\t# why\nlibstdc++6\n\nzlib1g\n", "apt libstdc++6 zlib1g" },
        { "bash\napt\n", "bash apt" }, /* the order stays */
        { "0ad#x\n", "0ad" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
        _cleanup_text_ struct text names = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        assert_int_equal(parse(cases[i].text, &list, &f), 0);
        for (size_t j = 0; j < list.count; j++)
            text_addf(&names, "%s%s", j > 0 ? " " : "", list.names[j]);
        assert_string_equal(text_string(&names), cases[i].names);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "apt", "p.txt:1: the last line has no end" },
        { "apt\nbash", "p.txt:2: the last line has no end" },
        { "a\n", "p.txt:1: 'a' is not a package name" },
        { "Apt\n", "p.txt:1: 'Apt' is not a package name" },
        { "ok\n-apt\n", "p.txt:2: '-apt' is not a package name" },
        { ".apt\n", "p.txt:1: '.apt' is not a package name" },
        { "+apt\n", "p.txt:1: '+apt' is not a package name" },
        { "apt bash\n", "p.txt:1: 'apt bash' is not a package name" },
        { "apt=1.0\n", "p.txt:1: 'apt=1.0' is not a package name" },
        { "apt/sid\n", "p.txt:1: 'apt/sid' is not a package name" },
        { "ap\033[2Jt\n", "p.txt:1: a control or non-ASCII character" },
        { "ap\303\244t\n", "p.txt:1: a control or non-ASCII character" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct package_list list = PACKAGE_LIST_INIT;
        struct failure f = FAILURE_NONE;

        assert_int_equal(parse(cases[i].text, &list, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_SYNTAX);
        assert_string_equal(f.text, cases[i].message);
        assert_int_equal(list.count, 0);
    }
}

static void test_zero_byte(void **state)
{
    struct package_list list = PACKAGE_LIST_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(package_list_parse("p.txt", (const uint8_t *)"ap\0t\n", 5, &list, &f),
                     -EBADMSG);
}

static void test_too_many(void **state)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    for (unsigned i = 0; i < PACKAGE_LIST_MAX; i++)
        text_addf(&text, "p%u\n", i);
    assert_int_equal(parse(text_string(&text), &list, &f), 0);
    assert_int_equal(list.count, PACKAGE_LIST_MAX);
    package_list_done(&list);
    text_add(&text, "one-more\n");
    assert_int_equal(parse(text_string(&text), &list, &f), -ERANGE);
    assert_string_equal(f.text, "p.txt:201: more than 200 packages");
}

static void test_read(void **state)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(package_list_read("missing", &list, &f), -ENOENT);
    test_folder_write("packages.txt", "apt\n");
    assert_int_equal(package_list_read("packages.txt", &list, &f), 0);
    assert_int_equal(list.count, 1);
}

static void test_out_of_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (size_t n = 1; failed; n++) {
        _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
        struct failure f = FAILURE_NONE;
        int r;

        test_heap_fail_at(n);
        r = parse("apt\nbash\n", &list, &f);
        failed = test_heap_has_failed();
        test_heap_fail_at(0);
        assert_int_equal(r, failed ? -ENOMEM : 0);
        assert_true(!failed || f.code == CODE_INTERNAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_zero_byte), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_read),      cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
