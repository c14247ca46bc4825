/* Against a real TPM (swtpm). Each refusal is caused by what would cause it. */
#include "disk/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "disk/epoch.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "disk/test_policy.h"
#include "disk/test_seal.h"
#include "sys/file.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

static void test_open(void **state)
{
    (void)state;
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    assert_true(t.ticket.size > 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    /* Nobody opens it after the cap. */
    assert_int_equal(tpm_measure(11, "leave-initrd", 12), 0);
    test_seal_refused(CODE_UNSEAL_PCR11);
    t.ticket.size = 0;
    test_seal_refused(CODE_UNSEAL_PCR11);
    test_seal_boot_again();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
}

static void test_blob_size(void **state)
{
    uint8_t live[1][TPM_PCR_SIZE];
    struct seal_description d;

    (void)state;
    assert_int_equal(t.blob.size, 171);
    test_seal_read_pcr7(live);
    assert_int_equal(seal_describe(&t.blob, &t.policy, &d, &t.f), 0);
    assert_memory_equal(d.pcr7, live[0], SEAL_PCR_SIZE);
    assert_int_equal(d.place, 0);
    assert_true(d.key_fits);
    t.policy = test_policy_of_another_key(t.policy.approved, 7);
    assert_int_equal(seal_describe(&t.blob, &t.policy, &d, &t.f), 0);
    assert_false(d.key_fits);
}

/* A second place, for when the machine's firmware gets other keys: each opens in its time. */
static void test_predicted(void **state)
{
    uint8_t now[1][TPM_PCR_SIZE], later[1][TPM_PCR_SIZE];
    const struct seal_blob first = t.blob;
    struct seal_blob second;

    (void)state;
    test_tpm_reset(&t.tpm);
    test_seal_boot("new db", TEST_SEAL_WORD);
    test_seal_read_pcr7(later);
    test_seal_refused(CODE_UNSEAL_PCR7);
    test_seal_boot_again();
    test_seal_read_pcr7(now);
    assert_memory_not_equal(now[0], later[0], TPM_PCR_SIZE);
    assert_int_equal(test_seal_seal(later[0], 1, &t.owner, &second), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    t.blob = second;
    test_seal_refused(CODE_UNSEAL_PCR7);
    test_tpm_reset(&t.tpm);
    test_seal_boot("new db", TEST_SEAL_WORD);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    t.blob = first;
    test_seal_refused(CODE_UNSEAL_PCR7);
    /* Sealed anew, what was at the place is gone. */
    assert_int_equal(test_seal_seal(later[0], 0, &t.owner, &second), 0);
    test_seal_refused(CODE_UNSEAL_TPM);
    t.blob = second;
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
}

static void test_pcr7(void **state)
{
    (void)state;
    assert_int_equal(tpm_measure(7, "more", 4), 0);
    test_seal_refused(CODE_UNSEAL_PCR7);
    assert_non_null(strstr(t.f.text, "PCR 7 is "));
}

static void test_pcr12(void **state)
{
    (void)state;
    assert_int_equal(tpm_measure(12, "appended", 8), 0);
    test_seal_refused(CODE_UNSEAL_PCR7);
    assert_non_null(strstr(t.f.text, "PCR 12"));
}

static void test_pcr11(void **state)
{
    (void)state;
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    test_tpm_reset(&t.tpm);
    test_seal_boot("on", "another boot file");
    test_seal_refused(CODE_UNSEAL_PCR11); /* with a ticket */
    t.ticket.size = 0;
    test_seal_refused(CODE_UNSEAL_PCR11); /* and without */
}

static void test_signature(void **state)
{
    (void)state;
    t.policy.signature[17] ^= 1;
    test_seal_refused(CODE_UNSEAL_PCR11);
    t.policy.signature[17] ^= 1;
    t.policy.approved[0] ^= 1;
    test_seal_refused(CODE_UNSEAL_PCR11);
    t.policy.approved[0] ^= 1;
    /* Whoever claims another epoch than was signed is refused, above and below. */
    t.policy.epoch = 9;
    test_seal_refused(CODE_UNSEAL_PCR11);
    t.policy.epoch = 6;
    test_seal_refused(CODE_UNSEAL_EPOCH);
}

static void test_other_key(void **state)
{
    (void)state;
    t.policy = test_policy_of_another_key(t.policy.approved, 7);
    test_seal_refused(CODE_UNSEAL_KEY);
}

static void test_epoch(void **state)
{
    const struct seal_policy newer = test_seal_make_policy(1);
    uint64_t epoch;

    (void)state;
    assert_int_equal(test_seal_open_it(&newer, &t.blob), SEAL_COMMANDS_NO_TICKET);
    t.ticket.size = 0;
    assert_int_equal(seal_epoch_raise(&t.owner, 8, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
    test_seal_refused(CODE_UNSEAL_EPOCH);
    assert_int_equal(test_seal_open_it(&newer, &t.blob), SEAL_COMMANDS_NO_TICKET);
    /* Never lowered, and raising to what is there costs no write. */
    assert_int_equal(seal_epoch_raise(&t.owner, 3, &t.f), 0);
    assert_int_equal(seal_epoch_raise(&t.owner, 8, &t.f), 0);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
    assert_int_equal(epoch, 8);
    test_seal_boot_again();
    test_seal_refused(CODE_UNSEAL_EPOCH);
    /* Provisioning again is no way back. */
    assert_int_equal(seal_provision(&t.owner, &t.lockout, 7, 1u << 0, &t.f), 0);
    test_seal_refused(CODE_UNSEAL_EPOCH);
}

static void test_cleared(void **state)
{
    (void)state;
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    test_tpm_clear();
    test_seal_refused(CODE_UNSEAL_TPM);
    /* Made ours again, it has another storage root key: slot and ticket are of the past. */
    test_seal_provision();
    test_seal_refused(CODE_UNSEAL_TPM);
    test_seal_enrol();
    assert_int_equal(test_seal_open_now(),
                     SEAL_COMMANDS_NO_TICKET + 1); /* one for the refused ticket */
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
}

static void test_other_tpm(void **state)
{
    const struct seal_blob blob = t.blob;

    (void)state;
    test_tpm_remove(&t.tpm);
    test_tpm_make(&t.tpm);
    test_seal_boot("on", TEST_SEAL_WORD);
    test_seal_refused(CODE_UNSEAL_TPM);
    test_seal_enrol();
    assert_true(test_seal_open_now() > 0);
    t.blob = blob;
    test_seal_refused(CODE_UNSEAL_TPM);
}

static void test_flipped(void **state)
{
    struct seal_parts parts;
    uint8_t *bytes = (uint8_t *)&parts;

    (void)state;
    /* Damage. */
    for (size_t i = 0; i < t.blob.size; i++) {
        t.blob.bytes[i] ^= 1;
        test_seal_refused(CODE_UNSEAL_BLOB);
        t.blob.bytes[i] ^= 1;
    }
    for (size_t size = 0; size < t.blob.size; size++) {
        const struct seal_blob whole = t.blob;

        t.blob.size = size;
        test_seal_refused(CODE_UNSEAL_BLOB);
        t.blob = whole;
    }
    /* Intent: with a sum that fits. */
    assert_int_equal(seal_blob_decode(&t.blob, &parts), 0);
    for (size_t i = 0; i < sizeof(parts); i++) {
        bytes[i] ^= 1;
        seal_blob_encode(&parts, &t.blob);
        t.f = (struct failure)FAILURE_NONE;
        assert_true(test_seal_open_now() < 0);
        assert_true(t.f.code == CODE_UNSEAL_TPM || t.f.code == CODE_UNSEAL_BLOB ||
                    t.f.code == CODE_UNSEAL_KEY);
        bytes[i] ^= 1;
    }
    seal_blob_encode(&parts, &t.blob);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
}

static void test_no_bank(void **state)
{
    (void)state;
    test_tpm_banks(true, false);
    test_seal_boot_again();
    test_seal_refused(CODE_UNSEAL_BANK);
    test_tpm_banks(true, true);
    test_seal_boot_again();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
}

/* The two numbers of the contract, and that a ticket lasts as long as it should. */
static void test_ticket(void **state)
{
    struct seal_ticket ticket;

    (void)state;
    assert_int_equal(seal_ticket_make(&t.policy, &t.ticket, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    test_seal_boot_again();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    for (size_t i = 0; i < t.ticket.size; i++) {
        ticket = t.ticket;
        t.ticket.bytes[i] ^= 1;
        /* Not well formed: nobody is asked. Else the TPM refuses it: one command more. */
        assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET + (i >= 12));
        assert_memory_equal(t.ticket.bytes, ticket.bytes, ticket.size); /* made anew */
    }
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    /* Of another policy. */
    ticket = t.ticket;
    t.policy = test_seal_make_policy(1);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET + 1);
    t.policy.signature[0] ^= 1;
    assert_int_equal(seal_ticket_make(&t.policy, &ticket, &t.f), -ENOKEY);
    assert_int_equal(t.f.code, CODE_UNSEAL_PCR11);
}

/* A session that computes, and compares nothing: what a TPM makes of the same arguments. */
static void test_trial(void **state)
{
    static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    const TPML_PCR_SELECTION pcr11 = seal_pcr_selection(1u << 11);
    const TPM2B_DIGEST current = { .size = 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(test_seal_policies); i++) {
        TPM2B_OPERAND operand = { .size = 8 };
        TPM2B_DIGEST *digest = NULL;
        ESYS_TR session, index = test_seal_find_index();
        char text[2 * PCRSIG_DIGEST_SIZE + 1];

        operand.buffer[7] = (BYTE)test_seal_policies[i].epoch;
        assert_int_equal(Esys_StartAuthSession(tpm_esys(), ESYS_TR_NONE, ESYS_TR_NONE,
                                               SEAL_NO_SESSIONS, NULL, TPM2_SE_TRIAL, &none,
                                               TPM2_ALG_SHA256, &session),
                         0);
        assert_int_equal(Esys_PolicyPCR(tpm_esys(), session, SEAL_NO_SESSIONS, &current, &pcr11),
                         0);
        assert_int_equal(Esys_PolicyNV(tpm_esys(), index, index, session, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, &operand, 0,
                                       TPM2_EO_UNSIGNED_LE),
                         0);
        assert_int_equal(Esys_PolicyGetDigest(tpm_esys(), session, SEAL_NO_SESSIONS, &digest), 0);
        hex_encode(digest->buffer, PCRSIG_DIGEST_SIZE, text);
        assert_string_equal(text, test_seal_policies[i].approved);
        Esys_Free(digest);
        seal_flush(&session);
        seal_close(&index);
    }
}

static bool holds(const uint8_t *bytes, size_t size, const struct secret *secret)
{
    return memmem(bytes, size, secret->bytes, secret->size) != NULL;
}

/* Every byte on the wire, from enrolling to opening. */
static void test_wire(void **state)
{
    struct failure f = FAILURE_NONE;
    uint8_t pcr7[1][TPM_PCR_SIZE];
    char path[TEST_TPM_FOLDER_MAX + 8];
    uint8_t *bytes = NULL;
    size_t size = 0;

    (void)state;
    test_tpm_stop(&t.tpm);
    (void)snprintf(path, sizeof(path), "%s/wire", t.tpm.folder);
    t.tpm.record = path;
    test_tpm_start(&t.tpm);
    test_seal_boot("on", TEST_SEAL_WORD);
    test_seal_enrol();
    assert_true(test_seal_open_now() > 0);
    assert_int_equal(seal_epoch_raise(&t.owner, 7, &t.f), 0);
    test_seal_read_pcr7(pcr7);
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    test_tpm_stop(&t.tpm);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, &f), 0);
    t.tpm.record = NULL;
    test_tpm_start(&t.tpm);
    assert_non_null(memmem(bytes, size, pcr7[0], TPM_PCR_SIZE)); /* the recording is one */
    assert_false(holds(bytes, size, &t.content));
    assert_false(holds(bytes, size, &t.owner));
    assert_false(holds(bytes, size, &t.lockout));
    /* Not even a piece of it. */
    for (size_t i = 0; i + 8 <= SEAL_CONTENT_SIZE; i++)
        assert_null(memmem(bytes, size, t.content.bytes + i, 8));
    free(bytes);
}

/* Whichever command fails: the failure says nothing about what is sealed, nothing stays loaded, and
 * the next try works. */
static void test_broken_open(void **state)
{
    unsigned failed = 0;

    (void)state;
    test_seal_make_breakable();
    for (unsigned n = 1;; n++) {
        _cleanup_secret_ struct secret content = SECRET_INIT;
        struct seal_ticket ticket;
        int r;

        test_tpm_break(&t.tpm, n);
        t.f = (struct failure)FAILURE_NONE;
        r = seal_open(&t.policy, &t.blob, NULL, &content, &ticket, &t.f);
        if (!test_tpm_broke(&t.tpm)) {
            assert_int_equal(r, 0);
            test_tpm_break(&t.tpm, 0);
            break;
        }
        failed++;
        if (r < 0)
            assert_int_equal(t.f.code, CODE_TPM_COMMAND);
        else /* only what could not be flushed is left */
            assert_true(test_tpm_loaded() == 1);
        test_tpm_break(&t.tpm, 0);
        if (r == 0)
            test_seal_boot_again();
        assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
        t.ticket.size = 0;
    }
    assert_int_equal(failed, SEAL_COMMANDS_NO_TICKET);
}

#ifndef SANITIZED
/* "55d0c0a6000-55d0c0a7000 rw-p ...": reads one of the two, up to the character that ends it. */
static const char *read_address(const char *text, char end, uintptr_t *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (*ret = 0; *text != end; text++) {
        const char *digit = strchr(digits, *text);

        assert_non_null(digit);
        *ret = 16 * *ret + (uintptr_t)(digit - digits);
    }
    return text + 1;
}

static size_t count_in_region(const char *line, const uint8_t *needle, size_t size)
{
    uintptr_t begin, end;
    const char *rights = read_address(read_address(line, '-', &begin), ' ', &end);
    size_t count = 0;

    if (strncmp(rights, "rw", 2) != 0)
        return 0;
    for (const uint8_t *at = (const uint8_t *)begin;;) {
        at = memmem(at, end - (uintptr_t)at, needle, size);
        if (!at)
            return count;
        count++;
        at++;
    }
}

/* How often these bytes stand in this process's memory. */
static size_t count_in_memory(const uint8_t *needle, size_t size)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    size_t count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        count += count_in_region(line, needle, size);
    (void)fclose(maps);
    return count;
}

/* The secret is where the caller wants it, and nowhere else: not in the library's buffers, not on
 * the part of the stack that is behind us. The needle is found as well. */
static void test_memory(void **state)
{
    _cleanup_secret_ struct secret content = SECRET_INIT;
    struct seal_ticket ticket;
    uint8_t needle[24];

    (void)state;
    for (size_t i = 0; i < sizeof(needle); i++)
        needle[i] = t.content.bytes[i];
    assert_true(count_in_memory(needle, sizeof(needle)) >= 2); /* t.content, needle */
    test_seal_enrol();
    secret_wipe(&t.content);
    assert_int_equal(count_in_memory(needle, sizeof(needle)), 1);
    assert_int_equal(seal_open(&t.policy, &t.blob, NULL, &content, &ticket, &t.f), 0);
    assert_int_equal(count_in_memory(needle, sizeof(needle)), 2);
    secret_wipe(&content);
    assert_int_equal(count_in_memory(needle, sizeof(needle)), 1);
}
#endif

static void test_closed(void **state)
{
    _cleanup_secret_ struct secret content = SECRET_INIT;
    struct seal_ticket ticket;
    struct seal_blob blob = { .size = 1 };
    uint8_t pcr7[SEAL_PCR_SIZE] = { 0 };
    uint64_t epoch;
    bool owned;

    (void)state;
    t.f = (struct failure)FAILURE_NONE;
    test_seal_fill(&t.owner, 1, 32);
    test_seal_fill(&t.content, 1, SEAL_CONTENT_SIZE);
    t.policy = test_seal_make_policy(0);
    assert_int_equal(seal_open(&t.policy, &blob, NULL, &content, &ticket, &t.f), -ENXIO);
    assert_int_equal(test_seal_seal(pcr7, 0, NULL, &blob), -ENXIO);
    assert_int_equal(seal_provision(&t.owner, &t.owner, 1, 1u << 0, &t.f), -ENXIO);
    assert_int_equal(seal_is_owned(&owned, &t.f), -ENXIO);
    assert_int_equal(seal_release(&t.owner, &t.owner, &t.f), -ENXIO);
    assert_int_equal(seal_epoch_raise(&t.owner, 1, &t.f), -ENXIO);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), -ENXIO);
    assert_int_equal(seal_ticket_make(&t.policy, &ticket, &t.f), -ENXIO);
    assert_int_equal(t.f.code, CODE_TPM_COMMAND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),      TEST_SEAL_ENROLLED(test_open),
        TEST_SEAL_ENROLLED(test_blob_size), TEST_SEAL_ENROLLED(test_predicted),
        TEST_SEAL_ENROLLED(test_pcr7),      TEST_SEAL_ENROLLED(test_pcr12),
        TEST_SEAL_ENROLLED(test_pcr11),     TEST_SEAL_ENROLLED(test_signature),
        TEST_SEAL_ENROLLED(test_other_key), TEST_SEAL_ENROLLED(test_epoch),
        TEST_SEAL_ENROLLED(test_cleared),   TEST_SEAL_ENROLLED(test_other_tpm),
        TEST_SEAL_ENROLLED(test_flipped),   TEST_SEAL_ENROLLED(test_no_bank),
        TEST_SEAL_ENROLLED(test_ticket),    TEST_SEAL_ENROLLED(test_trial),
        TEST_SEAL_FRESH(test_wire),         TEST_SEAL_ENROLLED(test_broken_open),
#ifndef SANITIZED /* its own copies, and memory that must not be looked at */
        TEST_SEAL_ENROLLED(test_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
