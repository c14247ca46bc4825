#include "image/development.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

/* openssl passwd -6 -salt broch broch */
#define HASH                                                                                       \
    "$6$broch$S0N3X.O6m7Pkdc2oe10ITcgudNrgdk9B1IG72lnWZeMHzuQB20WWpz7HS/UB/"                       \
    "VfOVs4rDnD0uedsooplawvtx."

static void test_shadow(void **state)
{
    static const struct {
        const char *before, *development, *production;
    } cases[] = {
        { "", "", "" },
        { "root:*:20000:0:99999:7:::\n", "root:*::0:99999:7:::\n", "root:*::0:99999:7:::\n" },
        { "root:!:20000:0:99999:7:::\n", "root:!::0:99999:7:::\n", "root:!::0:99999:7:::\n" },
        { "root::20000:0:99999:7:::\n", "root:!::0:99999:7:::\n", "root:!::0:99999:7:::\n" },
        { "root:$6$s$h:20000:0:99999:7:::\n", "root:!::0:99999:7:::\n", "root:!::0:99999:7:::\n" },
        { "admin:!:20000:0:99999:7:::\n", "admin:" HASH "::0:99999:7:::\n",
          "admin:!::0:99999:7:::\n" },
        { "admin:$6$s$h:1::::::\n", "admin:" HASH ":::::::\n", "admin:!:::::::\n" },
        { "admin2:x:1::::::\nadmi:x:1::::::\n", "admin2:!:::::::\nadmi:!:::::::\n",
          "admin2:!:::::::\nadmi:!:::::::\n" },
        /* However short, a line keeps no password. */
        { "bob:$6$s$h\n", "bob:!\n", "bob:!\n" },
        { "bob:$6$s$h:1\n", "bob:!:\n", "bob:!:\n" },
        { "bob:$6$s$h:1", "bob:!:\n", "bob:!:\n" },
        { "bob:$6$s$h", "bob:!\n", "bob:!\n" },
        { "bob:\n", "bob:!\n", "bob:!\n" },
        { "bob\n\n", "bob\n\n", "bob\n\n" },
        { "a:*:1:\nb:x:1:\n", "a:*::\nb:!::\n", "a:*::\nb:!::\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned development = 0; development < 2; development++) {
            _cleanup_text_ struct text text = TEXT_INIT;

            development_shadow((const uint8_t *)cases[i].before, strlen(cases[i].before),
                               development == 1, &text);
            assert_string_equal(text_string(&text),
                                development == 1 ? cases[i].development : cases[i].production);
        }
    }
}

static const char os_release[] = "NAME=\"Broch\"\nVERSION_ID=0.1.0\nEMPTY=\nQUOTE=\"\nODD\n"
                                 "BROCH_EPOCH=7\nLAST=unfinished";

static void test_template(void **state)
{
    static const struct {
        const char *before, *after; /* NULL: refused */
    } cases[] = {
        { "", "" },
        { "plain\n", "plain\n" },
        { "@NAME@", "Broch" },
        { "x@VERSION_ID@y@BROCH_EPOCH@", "x0.1.0y7" },
        { "[@EMPTY@]", "[]" },
        { "@QUOTE@", "\"" },
        { "@@", "@@" },
        { "@", "@" },
        { "@NAME", "@NAME" },
        { "NAME@", "NAME@" },
        { "@name@", "@name@" },
        { "a@b.c", "a@b.c" },
        { "@@NAME@@", "@Broch@" },
        { "@NAM@", NULL },
        { "@NAMES@", NULL },
        { "@ODD@", NULL },
        { "@LAST@", NULL }, /* a line without end is no line */
        { "@_@", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text text = TEXT_INIT;
        int r = template_fill((const uint8_t *)cases[i].before, strlen(cases[i].before), os_release,
                              &text);

        assert_int_equal(r, cases[i].after ? 0 : -EINVAL);
        if (cases[i].after)
            assert_string_equal(text_string(&text), cases[i].after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_template),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
