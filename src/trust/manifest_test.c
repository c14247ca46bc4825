#include "trust/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/test_heap.h"
#include "base/test_json.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"

/* The whole form, written down once by hand: manifest_format() is compared with it. */
static const char valid[] =
    "{\n"
    "  \"broch\": \"generation\",\n"
    "  \"schema\": 1,\n"
    "  \"name\": \"v0.1.0-node-x86_64\",\n"
    "  \"version\": \"v0.1.0\",\n"
    "  \"profile\": \"node\",\n"
    "  \"arch\": \"x86_64\",\n"
    "  \"channel\": \"development\",\n"
    "  \"unlocked\": false,\n"
    "  \"epoch\": 1,\n"
    "  \"date\": 1795206090,\n"
    "  \"kernel\": \"6.12.1\",\n"
    "  \"cmdline\": \"quiet \\\"x\\\"\",\n"
    "  \"verity\": \"" HASH_A "\",\n"
    "  \"lock\": \"" HASH_1 "\",\n"
    "  \"pcr11_stub\": \"" HASH_A "\",\n"
    "  \"pcr11_enter_initrd\": \"" HASH_1 "\",\n"
    "  \"files\": [\n"
    "    { \"name\": \"linux.efi\", \"size\": 17, \"sha256\": \"" HASH_A "\" },\n"
    "    { \"name\": \"initrd\", \"size\": 0, \"sha256\": \"" HASH_1 "\" }\n"
    "  ]\n"
    "}\n";

static int parse(const char *text, size_t size, struct manifest *ret, struct failure *f)
{
    return manifest_parse("g.json", (const uint8_t *)text, size, ret, f);
}

static void test_round_trip(void **state)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    struct failure f = FAILURE_NONE;
    struct manifest m;

    (void)state;
    assert_int_equal(parse(valid, strlen(valid), &m, &f), 0);
    assert_string_equal(m.name, "v0.1.0-node-x86_64");
    assert_string_equal(m.cmdline, "quiet \"x\"");
    assert_int_equal(m.date, 1795206090);
    assert_int_equal(m.epoch, 1);
    assert_false(m.unlocked);
    assert_int_equal(m.verity_root.bytes[0], 0xaa);
    assert_int_equal(m.file_count, 2);
    assert_int_equal(m.files[0].size, 17);
    manifest_format(&m, &text);
    assert_string_equal(text_string(&text), valid);
}

/* Replaces the first `from` in the valid text. */
static char *change(const char *from, const char *to)
{
    const char *at = strstr(valid, from);

    assert_non_null(at);
    return text_make("%.*s%s%s", (int)(at - valid), valid, to, at + strlen(from));
}

static const struct {
    const char *from, *to, *message; /* NULL: fine */
} changes[] = {
    { "\"unlocked\": false", "\"unlocked\": true", NULL },
    { "\"size\": 0", "\"size\": 9223372036854775806", NULL },
    { "generation", "lock", "\"broch\" is not" },
    { "\"generation\"", "1", "\"broch\" is not" },
    { "  \"broch\": \"generation\",\n", "", "\"broch\" is not" },
    { "\"schema\": 1", "\"schema\": 2", "\"schema\" is not a version" },
    { "\"schema\": 1", "\"schema\": \"1\"", "\"schema\" is not a version" },
    { "  \"schema\": 1,\n", "", "\"schema\" is not a version" },
    { "\"epoch\": 1", "\"epoch\": -1", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": 1.0", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": \"1\"", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": null", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": 9223372036854775807", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": 9223372036854775808", "\"epoch\" has a wrong" },
    { "\"epoch\": 1", "\"epoch\": 99999999999999999999999",
      "g.json:" }, /* json-c 0.18 parses less */
    { "\"epoch\": 1", "\"epoch\": 01", "g.json:" },
    { "\"epoch\": 1", "\"epoch\": 1e0", "g.json:" },
    { "false", "0", "\"unlocked\" has a wrong" },
    { "false", "\"false\"", "\"unlocked\" has a wrong" },
    { "false", "False", "g.json:" },
    { "\"node\"", "\"\"", "\"profile\" has a wrong" },
    { "\"node\"", "\"no\\u0000de\"", "\"profile\" has a wrong" },
    { "\"node\"", "[\"node\"]", "\"profile\" has a wrong" },
    { "\"node\"", "\"n\\u006fde\"", "one form" },
    { "\"verity\": \"a", "\"verity\": \"A", "\"verity\" has a wrong" },
    { "\"verity\": \"a", "\"verity\": \"g", "\"verity\" has a wrong" },
    { "\"verity\": \"a", "\"verity\": \"", "\"verity\" has a wrong" },
    { "\"profile\"", "\"Profile\"", "\"profile\" is missing" },
    { "  \"epoch\"", "  \"more\": 1,\n  \"epoch\"", "unknown key" },
    { "  \"epoch\": 1,\n", "  \"epoch\": 1,\n  \"epoch\": 1,\n", "one form" },
    { "  \"epoch\": 1,\n", "  \"epoch\": 9,\n  \"epoch\": 1,\n", "one form" },
    { "  \"epoch\"", " \"epoch\"", "one form" },
    { "[\n", "{\n", "g.json:" },
    { "\"files\"", "\"file\"", "\"files\" is missing" },
    { "\"linux.efi\"", "\"initrd\"", "names a file twice" },
    { "\"linux.efi\"", "\".linux\"", "has an entry" },
    { "\"linux.efi\"", "\"a/b\"", "has an entry" },
    { "\"linux.efi\"", "\"\"", "has an entry" },
    { "\"linux.efi\"", "1", "has an entry" },
    { "\"size\": 17", "\"size\": -17", "has an entry" },
    { "\"size\": 17", "\"size\": \"17\"", "has an entry" },
    { "\"size\": 17, ", "", "has an entry" },
    { "\"size\": 17", "\"size\": 17, \"mode\": 1", "has an entry" },
    { "\"size\": 17", "\"length\": 17", "has an entry" },
    { "]\n}\n", "]\n}\n\n", "g.json:" },
    { "]\n}\n", "]\n} x", "g.json:" },
    { "]\n}\n", "]\n}{}", "g.json:" },
    { "]\n}\n", "]\n}", "one form" },
    { "]\n}\n", "] /* x */\n}\n", "g.json:" },
    { "{\n", "\357\273\277{\n", "g.json:" },
    { "{\n", "[{\n", "g.json:" },
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        _cleanup_free_ char *text = change(changes[i].from, changes[i].to);
        struct failure f = FAILURE_NONE;
        struct manifest m = { .epoch = 77 };
        int r = parse(text, strlen(text), &m, &f);

        if (changes[i].message) {
            if (r != -EBADMSG || f.code != CODE_MANIFEST || !strstr(f.text, changes[i].message))
                fail_msg("case %zu: %d '%s'", i, r, f.text);
            assert_int_equal(m.epoch, 77); /* untouched */
        } else {
            assert_int_equal(r, 0);
        }
    }
}

static void test_other_documents(void **state)
{
    static const char *const cases[] = { "",      " ",         "null",
                                         "1",     "[]",        "{}",
                                         "\"x\"", "{\"a\":1}", "[[[[[[[[[[[[1]]]]]]]]]]]]" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct failure f = FAILURE_NONE;
        struct manifest m;

        assert_int_equal(parse(cases[i], strlen(cases[i]), &m, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_MANIFEST);
    }
}

static void test_sizes(void **state)
{
    _cleanup_free_ char *large = malloc(MANIFEST_FILE_MAX + 1);
    struct failure f = FAILURE_NONE;
    struct manifest m;

    (void)state;
    assert_non_null(large);
    memset(large, ' ', MANIFEST_FILE_MAX + 1);
    memcpy(large, valid, strlen(valid));
    assert_int_equal(parse(large, MANIFEST_FILE_MAX + 1, &m, &f), -EBADMSG);
    assert_non_null(strstr(f.text, "too large"));
    assert_int_equal(parse(valid, sizeof(valid), &m, &f), -EBADMSG); /* the zero at the end */
    assert_non_null(strstr(f.text, "not text"));
}

static void test_text_capacity(void **state)
{
    (void)state;
    for (size_t length = MANIFEST_TEXT_MAX - 1; length <= MANIFEST_TEXT_MAX; length++) {
        char name[MANIFEST_TEXT_MAX + 1];
        _cleanup_free_ char *text = NULL;
        struct failure f = FAILURE_NONE;
        struct manifest m;

        memset(name, 'n', length);
        name[length] = '\0';
        text = change("v0.1.0-node-x86_64", name);
        assert_int_equal(parse(text, strlen(text), &m, &f),
                         length < MANIFEST_TEXT_MAX ? 0 : -EBADMSG);
    }
}

static void test_file_count(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= MANIFEST_FILES_MAX + 1; count++) {
        _cleanup_text_ struct text text = TEXT_INIT;
        struct failure f = FAILURE_NONE;
        struct manifest m;

        text_add_bytes(&text, valid, (size_t)(strstr(valid, "    { \"name\"") - valid));
        for (unsigned i = 0; i < count; i++)
            text_addf(&text,
                      "    { \"name\": \"f%u\", \"size\": 1, \"sha256\": \"" HASH_1 "\" }%s\n", i,
                      i + 1 < count ? "," : "");
        text_add(&text, "  ]\n}\n");
        assert_int_equal(parse(text_string(&text), text.length, &m, &f),
                         count <= MANIFEST_FILES_MAX ? 0 : -EBADMSG);
    }
}

static void test_truncation(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(valid); size++) {
        struct failure f = FAILURE_NONE;
        struct manifest m;

        assert_int_equal(parse(valid, size, &m, &f), -EBADMSG);
    }
}

static void test_bit_flips(void **state)
{
    char bytes[sizeof(valid)];

    (void)state;
    memcpy(bytes, valid, sizeof(valid));
    for (size_t bit = 0; bit < 8 * strlen(valid); bit++) {
        _cleanup_text_ struct text text = TEXT_INIT;
        struct failure f = FAILURE_NONE;
        struct manifest m;

        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        if (parse(bytes, strlen(valid), &m, &f) == 0) {
            manifest_format(&m, &text); /* another manifest, but in its one form */
            assert_int_equal(text.length, strlen(valid));
            assert_memory_equal(text_string(&text), bytes, strlen(valid));
        }
        bytes[bit / 8] = valid[bit / 8];
    }
}

static void test_schema(void **state)
{
    static const char *const words[] = { "\"additionalProperties\": false", "\"pcr11_stub\": {",
                                         "\"files\"]", "\"const\": \"generation\"" };
    _cleanup_text_ struct text text = TEXT_INIT;

    (void)state;
    manifest_print_schema(&text);
    assert_int_equal(text_status(&text), 0);
    assert_true(test_json_is_valid(text_string(&text)));
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        assert_non_null(strstr(text_string(&text), words[i]));
}

static void test_out_of_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (size_t n = 1; failed; n++) {
        struct failure f = FAILURE_NONE;
        struct manifest m;
        int r;

        test_heap_fail_at(n);
        r = parse(valid, strlen(valid), &m, &f);
        failed = test_heap_has_failed();
        test_heap_fail_at(0);
        assert_true(failed ? r < 0 : r == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_changes),
        cmocka_unit_test(test_other_documents), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_text_capacity),   cmocka_unit_test(test_file_count),
        cmocka_unit_test(test_truncation),      cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_schema),          cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
