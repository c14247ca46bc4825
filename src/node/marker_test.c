#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "node/marker.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct facts facts = {
    .generation = "v0.1.0-node-amd64",
    .profile = "node",
    .slot = "A",
    .verity = HASH,
    .secure_boot = "on",
    .tpm = "off",
};

/* This line is a contract: change the reference and every test that waits for it too. */
static void test_line(void **state)
{
    char buffer[512];
    struct line l = line_make(buffer, sizeof(buffer));

    marker_ready_line(&facts, 1234567, &l);
    assert_string_equal(buffer, "broch ready generation=v0.1.0-node-amd64 profile=node slot=A "
                                "verity=" HASH " secureboot=on tpm=off us=1234567");
    assert_false(l.cut);
}

static void test_record_is_read_back(void **state)
{
    char buffer[512];
    struct line l = line_make(buffer, sizeof(buffer));
    uint64_t us = 0;

    marker_ready_record(&facts, 1234567, &l);
    assert_string_equal(buffer,
                        "{ \"generation\": \"v0.1.0-node-amd64\", \"ready_us\": 1234567 }\n");
    assert_int_equal(marker_parse_record(buffer, l.length, &us), 0);
    assert_int_equal(us, 1234567);
}

static void test_bad_records(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{ \"ready_us\": \"1\" }",
        "{ \"ready_us\": -1 }",
        "{ \"ready_us\": 1.5 }",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t us = 7;

        assert_int_equal(marker_parse_record(cases[i], strlen(cases[i]), &us), -EBADMSG);
        assert_int_equal(us, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_record_is_read_back),
        cmocka_unit_test(test_bad_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
