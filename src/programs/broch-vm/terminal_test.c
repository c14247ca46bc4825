#include "programs/broch-vm/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_terminal_key(void **state)
{
    static const struct {
        const char *typed;
        const char *sent;
        bool leaves;
    } cases[] = {
        { "hello", "hello", false },     { "a\x01xb", "a", true },          { "\x01X", "", true },
        { "\x01\x01", "\x01", false },   { "\x01q", "\x01q", false },       { "x\x01", "x", false },
        { "\x01\x01x", "\x01x", false }, { "\x03\x04", "\x03\x04", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint8_t *typed = (const uint8_t *)cases[i].typed;
        size_t length = strlen(cases[i].typed);

        /* In one read, and cut at every place. */
        for (size_t cut = 0; cut <= length; cut++) {
            struct terminal_filter filter = { .prefix = false };
            uint8_t sent[64];
            size_t first, second = 0;
            bool leaves = terminal_filter(&filter, typed, cut, sent, &first);

            if (!leaves)
                leaves = terminal_filter(&filter, typed + cut, length - cut, sent + first, &second);
            assert_int_equal(leaves, cases[i].leaves);
            assert_int_equal(first + second, strlen(cases[i].sent));
            assert_memory_equal(sent, cases[i].sent, first + second);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_terminal_key) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
