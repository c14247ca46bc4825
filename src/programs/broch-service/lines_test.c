#include "programs/broch-service/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define STAMP "2026-11-25 09:14:03.123456789"

static void keep(struct lines *lines, size_t service, const char *text)
{
    lines->service = service;
    lines_keep(text, strlen(text), lines);
    assert_false(lines->failed);
}

static void test_bounds(void **state)
{
    _cleanup_lines_ struct lines lines = { .from = "2026-11-25 09:00:00",
                                           .to = "2026-11-25 10:00:00" };

    (void)state;
    keep(&lines, 0, "2026-11-25 08:59:59.999999999  before");
    keep(&lines, 0, "2026-11-25 09:00:00.000000000  first");
    keep(&lines, 0, "no time");
    keep(&lines, 0, "2026-11-25 09:59:59.000000000  last");
    keep(&lines, 0, "2026-11-25 10:00:00.000000000  after");
    assert_int_equal(lines.count, 2);
    assert_string_equal(lines.list[0].text + 31, "first");
    assert_string_equal(lines.list[1].text + 31, "last");
}

/* Many lines of the same moment: more than a sort that looks stable with few keeps by luck. Handed
 * over in the worst order, as an unstable sort may have them meanwhile. */
static void test_order_within_a_moment(void **state)
{
    enum { COUNT = 3000 };
    _cleanup_lines_ struct lines lines = { .count = 0 };
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(text, sizeof(text), STAMP "  %zu", i);
        keep(&lines, i % 2, text);
    }
    for (size_t i = 0; i < COUNT / 2; i++) {
        struct line_said swapped = lines.list[i];

        lines.list[i] = lines.list[COUNT - 1 - i];
        lines.list[COUNT - 1 - i] = swapped;
    }
    lines_sort(&lines);
    for (size_t i = 0; i < COUNT; i++) {
        size_t expected = i < COUNT / 2 ? 2 * i : 2 * (i - COUNT / 2) + 1;

        assert_int_equal(lines.list[i].number, expected);
    }
}

static void test_time_comes_first(void **state)
{
    _cleanup_lines_ struct lines lines = { .count = 0 };

    (void)state;
    keep(&lines, 0, "2026-11-25 09:14:04.000000000  third");
    keep(&lines, 1, "2026-11-25 09:14:03.000000001  second");
    keep(&lines, 2, "2026-11-25 09:14:03.000000000  first");
    keep(&lines, 3, "");
    lines_sort(&lines);
    for (size_t i = 0; i < lines.count; i++)
        assert_int_equal(lines.list[i].service, lines.count - 1 - i); /* "" is before all */
    lines_done(&lines);
    lines_sort(&lines); /* nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_order_within_a_moment),
        cmocka_unit_test(test_time_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
