#include "programs/broch-disk/state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static struct state s;

static int parse(const char *text)
{
    return state_parse(text, strlen(text), &s);
}

static void test_open(void **unused)
{
    (void)unused;
    assert_int_equal(parse("{\"schema\": 1, \"persist\": {\"state\": \"open\", \"route\": \"tpm\", "
                           "\"refusal\": null, \"unowned\": \"BR-TPM-OWNED\", \"uuid\": \"" UUID
                           "\", \"device\": \"dm-1\", "
                           "\"enrolled\": false, \"tpm_commands\": 9}, \"steps\": []}"),
                     0);
    assert_true(s.open);
    assert_string_equal(s.route, "tpm");
    assert_string_equal(s.refusal, "");
    assert_string_equal(s.unowned, "BR-TPM-OWNED");
    assert_string_equal(s.uuid, UUID);
    assert_string_equal(s.device, "dm-1");
}

static void test_volatile(void **unused)
{
    (void)unused;
    assert_int_equal(parse("{\"persist\": {\"state\": \"volatile\", \"route\": null}}"), 0);
    assert_false(s.open);
    assert_int_equal(parse("{}"), 0);
    assert_false(s.open);
}

static void test_malformed(void **unused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"persist\": []}",
        "{\"persist\": {\"state\": \"open\"}}",
        "{\"persist\": {\"state\": \"open\", \"uuid\": \"" UUID "\"}}",
        "{\"persist\": {\"state\": \"open\", \"uuid\": \"" UUID "\", \"device\": \"../x\"}}",
        "{\"persist\": {\"state\": \"open\"",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(bad[i]), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_volatile),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
