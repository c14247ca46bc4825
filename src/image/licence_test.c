#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "image/licence.h"

#define HEAD "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"

static void test_expressions(void **state)
{
    static const struct {
        const char *file, *wanted;
    } cases[] = {
        { "", "" },
        { "This package was debianized by hand.\nLicense: GPL-2\n", "" },
        { HEAD "Files: *\nLicense: GPL-2+\n text\n", "GPL-2.0-or-later" },
        { HEAD "License: Expat\n\nLicense: Expat\n", "MIT" },
        { HEAD "License: GPL-2+ or Artistic\n", "(GPL-2.0-or-later OR LicenseRef-Artistic)" },
        { HEAD "License: GPL-2+ and Expat and ISC\n", "(GPL-2.0-or-later AND MIT AND ISC)" },
        { HEAD "License: GPL-2+\nLicense:\tGPL-2\n", "GPL-2.0-or-later AND GPL-2.0-only" },
        { HEAD "License: public-domain\n", "LicenseRef-public-domain" },
        { HEAD "License: GPL-2+ with OpenSSL_exception\n",
          "LicenseRef-GPL-2--with-OpenSSL-exception" },
        { HEAD "License: A or B and C\n", "LicenseRef-A-or-B-and-C" },
        { HEAD "License:\nFiles: x\n License: GPL-2\n", "" },
        { HEAD "License: Zlib\nLicense: X-Zlib\nLicense: Zlib\n", "Zlib AND LicenseRef-X-Zlib" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_text_ struct text t = TEXT_INIT;

        licence_read(cases[i].file, strlen(cases[i].file), &t);
        assert_string_equal(text_string(&t), cases[i].wanted);
    }
}

/* What stood there before is no part of the expression. */
static void test_appends(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    text_add(&t, "MIT");
    licence_read(HEAD "License: Expat\n", strlen(HEAD "License: Expat\n"), &t);
    assert_string_equal(text_string(&t), "MITMIT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_appends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
