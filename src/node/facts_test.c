#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node/facts.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char good[] = "{\n  \"schema\": 1,\n  \"generation\": \"v0.1.0-node-amd64\",\n"
                           "  \"profile\": \"node\",\n  \"slot\": \"B\",\n"
                           "  \"verity\": \"" HASH "\",\n  \"secureboot\": \"on\",\n"
                           "  \"tpm\": \"unknown\",\n  \"partuuid\": null,\n"
                           "  \"steps\": [{\"step\": \"pseudo\", \"us\": 12}]\n}\n";

static int parse(const char *text, struct facts *facts, struct failure *f)
{
    return facts_parse(text, strlen(text), facts, f);
}

static void test_good(void **state)
{
    struct failure f = FAILURE_NONE;
    struct facts facts;

    assert_int_equal(parse(good, &facts, &f), 0);
    assert_string_equal(facts.generation, "v0.1.0-node-amd64");
    assert_string_equal(facts.profile, "node");
    assert_string_equal(facts.slot, "B");
    assert_string_equal(facts.verity, HASH);
    assert_string_equal(facts.secure_boot, "on");
    assert_string_equal(facts.tpm, "unknown");
}

static char *changed(const char *from, const char *to);

#define UUID "11111111-1111-4111-8111-111111111111"

static void test_persist(void **state)
{
    static const struct {
        const char *text;
        bool open;
        const char *uuid; /* NULL: refused */
        uint64_t epoch;
    } cases[] = {
        { "", false, "", 0 },
        { "\"persist\": null,", false, "", 0 },
        { "\"persist\": {\"state\": \"volatile\", \"uuid\": null}, \"epoch\": 0,", false, "", 0 },
        { "\"persist\": {\"state\": \"open\", \"uuid\": \"" UUID "\"}, \"epoch\": 7,", true, UUID,
          7 },
        { "\"persist\": {\"state\": \"open\", \"uuid\": 1},", true, NULL, 0 },
        { "\"persist\": {\"state\": \"open\", \"uuid\": \"" UUID "1\"},", true, NULL, 0 },
        { "\"epoch\": -1,", false, NULL, 0 },
        { "\"epoch\": \"7\",", false, NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[160], *text;
        struct failure f = FAILURE_NONE;
        struct facts facts;

        (void)snprintf(value, sizeof(value), "%s\"partuuid\": null,", cases[i].text);
        text = changed("\"partuuid\": null,", value);
        assert_int_equal(parse(text, &facts, &f), cases[i].uuid ? 0 : -EBADMSG);
        if (cases[i].uuid) {
            assert_int_equal(facts.persist_open, cases[i].open);
            assert_string_equal(facts.persist_uuid, cases[i].uuid);
            assert_int_equal(facts.epoch, cases[i].epoch);
        }
        free(text);
    }
}

/* What is no small number is unknown: nothing is concluded from it. */
static void test_attempts(void **state)
{
    static const struct {
        const char *text;
        unsigned attempts;
    } cases[] = { { "1", 1 },  { "255", 255 }, { "0", 0 },     { "256", 0 },
                  { "-1", 0 }, { "1.0", 0 },   { "\"1\"", 0 }, { "null", 0 } };
    struct failure f = FAILURE_NONE;
    struct facts facts;

    (void)state;
    assert_int_equal(parse(good, &facts, &f), 0);
    assert_int_equal(facts.attempts, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[80], *text;

        (void)snprintf(value, sizeof(value), "\"partuuid\": null, \"attempts\": %s,",
                       cases[i].text);
        text = changed("\"partuuid\": null,", value);
        assert_int_equal(parse(text, &facts, &f), 0);
        assert_int_equal(facts.attempts, cases[i].attempts);
        free(text);
    }
}

static void test_partuuid(void **state)
{
    static const struct {
        const char *text, *uuid; /* NULL: refused */
    } cases[] = {
        { "null", "" },
        { "\"\"", "" },
        { "\"11111111-1111-4111-8111-111111111111\"", "11111111-1111-4111-8111-111111111111" },
        { "\"11111111-1111-4111-8111-1111111111111\"", NULL },
        { "\"../../dev/vda\"", NULL },
        { "7", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[80], *text;
        struct failure f = FAILURE_NONE;
        struct facts facts;

        (void)snprintf(value, sizeof(value), "\"partuuid\": %s,", cases[i].text);
        text = changed("\"partuuid\": null,", value);
        assert_int_equal(parse(text, &facts, &f), cases[i].uuid ? 0 : -EBADMSG);
        if (cases[i].uuid)
            assert_string_equal(facts.partuuid, cases[i].uuid);
        free(text);
    }
}

/* The good text with one piece replaced. */
static char *changed(const char *from, const char *to)
{
    const char *place = strstr(good, from);
    size_t size = sizeof(good) + strlen(to);
    char *text = malloc(size);

    assert_non_null(place);
    assert_non_null(text);
    (void)snprintf(text, size, "%.*s%s%s", (int)(place - good), good, to, place + strlen(from));
    return text;
}

static void test_each_fact_is_checked(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *said;
    } cases[] = {
        { "\"schema\": 1", "\"schema\": 2", "schema" },
        { "\"schema\": 1", "\"schema\": \"1\"", "schema" },
        { "\"schema\": 1,", "", "schema" },
        { "\"generation\"", "\"generations\"", "'generation' is missing" },
        { "\"v0.1.0-node-amd64\"", "null", "'generation' is not a string" },
        { "\"v0.1.0-node-amd64\"", "\"\"", "'generation' has a bad value" },
        { "\"v0.1.0-node-amd64\"", "\"a b\"", "'generation' has a bad value" },
        { "\"v0.1.0-node-amd64\"", "\"a\\u0000b\"", "'generation' has a bad value" },
        { "\"v0.1.0-node-amd64\"", "\"" HASH "\"", "'generation' has a bad value" },
        { "\"node\"", "[\"node\"]", "'profile' is not a string" },
        { "\"node\"", "\"../node\"", "'profile' has a bad value" },
        { "\"B\"", "\"C\"", "'slot' has a bad value" },
        { "\"B\"", "\"b\"", "'slot' has a bad value" },
        { "\"B\"", "\"\"", "'slot' has a bad value" },
        { HASH, "0123", "'verity' has a bad value" },
        { "cdef\"", "cdeg\"", "'verity' has a bad value" },
        { "cdef\"", "cdef0\"", "'verity' has a bad value" },
        { "\"on\"", "true", "'secureboot' is not a string" },
        { "\"on\"", "\"yes\"", "'secureboot' has a bad value" },
        { "\"unknown\"", "1", "'tpm' is not a string" },
        { "\"tpm\"", "\"tpm2\"", "'tpm' is missing" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = changed(cases[i].from, cases[i].to);
        struct failure f = FAILURE_NONE;
        struct facts facts = { .slot = "x" };

        assert_int_equal(parse(text, &facts, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_FACTS);
        assert_non_null(strstr(f.text, cases[i].said));
        assert_string_equal(facts.slot, "x");
        free(text);
    }
}

static void test_not_one_object(void **state)
{
    static const char *const cases[] = {
        "",  "\n", "null",          "1",        "\"text\"",           "[]",
        "{", "{}", "{'schema': 1}", "nonsense", "{\"schema\": 1} {}", "[[[[[[[[[[1]]]]]]]]]]",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct facts facts;

        assert_int_equal(parse(cases[i], &facts, &f), -EBADMSG);
    }
}

static void test_trailing_text(void **state)
{
    char text[sizeof(good) + 8];
    struct failure f = FAILURE_NONE;
    struct facts facts;

    (void)snprintf(text, sizeof(text), "%s{}", good);
    assert_int_equal(parse(text, &facts, &f), -EBADMSG);
    (void)snprintf(text, sizeof(text), "%s\n\n", good);
    assert_int_equal(parse(text, &facts, &f), 0);
}

/* Cut at each byte: never accepted before the last brace. Each bit flipped: never a crash, and what
 * is accepted still consists of valid names. */
static void test_damaged(void **state)
{
    const size_t size = sizeof(good) - 1;
    struct failure f = FAILURE_NONE;
    struct facts facts;
    char *copy = malloc(size);

    assert_non_null(copy);
    for (size_t length = 0; length + 1 < size; length++) {
        char *part = malloc(length + 1);

        assert_non_null(part);
        memcpy(part, good, length);
        assert_int_equal(facts_parse(part, length, &facts, &f), -EBADMSG);
        free(part);
    }
    for (size_t i = 0; i < size * 8; i++) {
        memcpy(copy, good, size);
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
        if (facts_parse(copy, size, &facts, &f) == 0)
            assert_true(name_is_valid(facts.generation, strlen(facts.generation)));
    }
    free(copy);
}

static void test_missing_file(void **state)
{
    struct failure f = FAILURE_NONE;
    struct facts facts;

    assert_int_equal(facts_read("/nonexistent/boot.json", &facts, &f), -ENOENT);
    assert_int_equal(f.code, CODE_FACTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_partuuid),
        cmocka_unit_test(test_persist),
        cmocka_unit_test(test_each_fact_is_checked),
        cmocka_unit_test(test_not_one_object),
        cmocka_unit_test(test_trailing_text),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_missing_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
