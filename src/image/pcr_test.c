/* The expected values were computed apart from this code, with Python's hashlib from the TPM
 * specification. A TPM itself makes
 * the same policies in src/disk/seal_test.c. */
#include "image/pcr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

static const char stub_value[] = "b2d0496d6cd7a5ad4ad67eec3242e07ad4cc3d65e69b9b101100bf855440790d";
static const char enter_value[] =
    "572563356f058aef684270c43ac14c501ed4e3b292339c4fad7b5b2f17f7a345";
static const char trial_value[] =
    "d15b0e8e244e65c40f024e95773f2347ce4ef3ffe6b597c9a14b50bbab6df319";
static const char name_value[] = "2aa7227d3222d643751b67304277c84821494d3be331060b6078dc871e2dd5bc";

static const struct {
    const char *name, *content;
} contents[] = {
    { ".pcrpkey", "PEM" },   { ".linux", "kernel" },         { ".pcrsig", "not measured" },
    { ".cmdline", "quiet" }, { ".osrel", "ID=broch\n" },     { ".initrd", "initrd" },
    { ".uname", "6.12" },    { ".reloc", "of the PE file" }, { ".sbat", "sbat,1\n" },
};

static void check(const struct digest *digest, const char *expected)
{
    char digits[DIGEST_TEXT_SIZE];

    assert_string_equal(digest_text(digest, digits), expected);
}

static void test_stub(void **state)
{
    struct pcr_section sections[ARRAY_SIZE(contents)];
    struct digest pcr;

    (void)state;
    /* Whatever the order in which they are named. */
    for (size_t shift = 0; shift < ARRAY_SIZE(contents); shift++) {
        for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
            size_t from = (i + shift) % ARRAY_SIZE(contents);

            sections[i].name = contents[from].name;
            sections[i].content =
                digest_bytes(contents[from].content, strlen(contents[from].content));
        }
        pcr = pcr_after_stub(sections, ARRAY_SIZE(sections));
        check(&pcr, stub_value);
    }
    pcr = pcr_after_word(&pcr, "enter-initrd");
    check(&pcr, enter_value);
}

static void test_nothing_measured(void **state)
{
    struct digest pcr = pcr_after_stub(NULL, 0);

    (void)state;
    check(&pcr, "0000000000000000000000000000000000000000000000000000000000000000");
    pcr = pcr_after_word(&pcr, "enter-initrd");
    check(&pcr, trial_value);
}

static void test_extend(void **state)
{
    const struct digest zero = { .bytes = { 0 } }, word = digest_bytes("enter-initrd", 12);
    struct digest pcr = pcr_extend(&zero, &word);

    (void)state;
    check(&pcr, trial_value);
}

static void test_name(void **state)
{
    const struct digest name = pcr_epoch_name();

    (void)state;
    check(&name, name_value);
}

static void test_policy(void **state)
{
    static const struct {
        bool trial;
        uint64_t epoch;
        const char *policy;
    } cases[] = {
        { true, 7, "c63a954bc1b202661696adf735838f458e0ea8edeb704a9367ba236a2b834922" },
        { true, 9, "2fbe09c486adb56484cc3d5fbfe7de111ebad6b8d23d124ced15fbe3c9be0d78" },
        { false, 1, "a0053c00cd6f88c065f5670afad7e935a886178e531d02d287991350fa184077" },
        { false, 7, "7a03d98046d8b880f91cfdc0fa8eb021df7307a19b72cdc66cfd64801c5becc1" },
        { false, 9, "481f3ff04bac657081b9dacdb997e9dd21671939595faad11241880656c68a7f" },
    };
    struct digest trial, enter;

    (void)state;
    assert_int_equal(digest_parse(trial_value, strlen(trial_value), &trial), 0);
    assert_int_equal(digest_parse(enter_value, strlen(enter_value), &enter), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct digest policy = pcr_policy(cases[i].trial ? &trial : &enter, cases[i].epoch);

        check(&policy, cases[i].policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stub),   cmocka_unit_test(test_nothing_measured),
        cmocka_unit_test(test_extend), cmocka_unit_test(test_name),
        cmocka_unit_test(test_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
