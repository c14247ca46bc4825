/* The expected values were computed apart from this code, with Python's hashlib from the TPM
 * specification. Those of the trial were in addition made by a TPM: swtpm, and tpm2-tools in a
 * trial session,
 *
 *     tpm2_nvdefine 0x01800100 -C o -s 8 -a "authwrite|policyread|no_da" -L cc.policy
 *     tpm2_nvwrite (any value), tpm2_nvreadpublic             -> the name
 *     tpm2_pcrextend 11:sha256=$(printf enter-initrd | sha256sum)
 *     tpm2_startauthsession -S t; tpm2_policypcr -S t -l sha256:11 -L pcr.policy
 *     tpm2_policynv -S t -P session:a -i operand -L nv.policy 0x01800100 ule
 *
 * where cc.policy is the digest of tpm2_policycommandcode TPM2_CC_PolicyNV, session a satisfies it,
 * and the operand is the epoch in 8 bytes, big-endian. With the index at 7, epochs 7 and 9 were
 * taken; both policies agreed with the numbers below. */
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
static const char name_value[] = "fe87f01b59d2fc669eb009da00d45a2ac6906bdd43fecfd11c819d5e73befcd5";

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
        { true, 7, "01908e839f9e127d2e0190693a12f75509e57b2dfb4b7ecbb6baee748f4e4bba" },
        { true, 9, "1e2c1e0afd6a94d700d76494d51b56baf57d1c75d3111f3654f08447ef4a32cd" },
        { false, 1, "ed42321a184e47c7330314cfe0b7ff15cde525d33adcbdd4277d687651ac0421" },
        { false, 7, "33f5044b7d5b053275cd11b21f008e3e7366f785968b20916f2dadc88c961056" },
        { false, 9, "6ae141c46bf3a9ef2059adc5d527c40f8fa165383c20dcac6aeefdf67c594c23" },
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
