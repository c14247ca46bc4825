#include "boot/marker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_words(void **unused)
{
    char text[MARKER_SIZE];

    (void)unused;
    marker_ok("pcr-cap", 12345, text);
    assert_string_equal(text, "broch stage1 step=pcr-cap status=ok us=12345");
    marker_fail("slot", UINT64_MAX, CODE_BOOT_SLOT_TWICE, "two of \"them\"", text);
    assert_string_equal(text, "broch stage1 step=slot status=fail us=18446744073709551615 "
                              "code=BR-BOOT-SLOT-TWICE detail=\"two of \\\"them\\\"\"");
    marker_note("last-failure", "a\nb\x07", text);
    assert_string_equal(text, "broch stage1 last-failure=\"a\\nb?\"");
    marker_end("halt", CODE_BOOT_ATTEMPTS, 600, text);
    assert_string_equal(text, "broch stage1 end=halt code=BR-BOOT-ATTEMPTS poweroff-s=600");
}

/* Whatever the detail is, it is one line that fits and whose quote is closed. */
static void test_any_detail(void **unused)
{
    char detail[2000], text[MARKER_SIZE];

    (void)unused;
    for (unsigned byte = 1; byte < 256; byte++) {
        memset(detail, (int)byte, sizeof(detail) - 1);
        detail[sizeof(detail) - 1] = '\0';
        marker_fail("verity", UINT64_MAX, CODE_BOOT_CMDLINE_SYNTAX, detail, text);
        assert_true(strlen(text) < MARKER_SIZE);
        assert_null(strchr(text, '\n'));
        for (const char *p = text; *p; p++)
            assert_true(*p >= ' ' && *p <= '~');
        if (byte == '"' || byte == '\\' || byte == ' ' || byte == 1)
            assert_int_equal(text[strlen(text) - 1], '"');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_any_detail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
