/* Against a real TPM (swtpm). Each refusal is caused by what would cause it. */
#include "disk/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

#include "base/hex.h"
#include "disk/epoch.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "disk/test_policy.h"
#include "sys/file.h"
#include "sys/test_tpm.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

#define WORD "enter-initrd"

/* Policies for PCR 11 after WORD alone: the numbers of src/image/pcr_test.c. */
static const struct {
    uint64_t epoch;
    const char *approved;
} policies[] = {
    { 7, "c63a954bc1b202661696adf735838f458e0ea8edeb704a9367ba236a2b834922" },
    { 9, "2fbe09c486adb56484cc3d5fbfe7de111ebad6b8d23d124ced15fbe3c9be0d78" },
};

static struct {
    struct test_tpm tpm;
    struct secret owner, lockout, content;
    struct seal_policy policy; /* epoch 7 */
    struct seal_blob blob;
    struct seal_ticket ticket;
    struct failure f;
} t;

static struct seal_policy make_policy(size_t which)
{
    uint8_t approved[PCRSIG_DIGEST_SIZE];

    assert_int_equal(hex_decode(policies[which].approved, strlen(policies[which].approved),
                                approved, sizeof(approved)),
                     0);
    return test_policy_make(approved, policies[which].epoch);
}

/* The firmware, and stage 1 as far as unsealing. */
static void boot(const char *secure_boot, const char *word)
{
    assert_int_equal(tpm_measure(7, secure_boot, strlen(secure_boot)), 0);
    assert_int_equal(tpm_measure(11, word, strlen(word)), 0);
}

static void boot_again(void)
{
    test_tpm_reset(&t.tpm);
    boot("on", WORD);
}

static void fill(struct secret *s, int byte, size_t size)
{
    uint8_t bytes[SECRET_SIZE_MAX];

    memset(bytes, byte, sizeof(bytes));
    assert_int_equal(secret_set(s, bytes, size), 0);
}

static void read_pcr7(uint8_t ret[1][TPM_PCR_SIZE])
{
    static const unsigned pcr = 7;

    assert_int_equal(tpm_read(&pcr, 1, ret), 0);
}

static void provision(void)
{
    if (seal_provision(&t.owner, &t.lockout, 7, &t.f) < 0)
        fail_msg("%s: %s", code_entry(t.f.code)->id, t.f.text);
}

static void enrol(void)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];

    provision();
    read_pcr7(pcr7);
    assert_int_equal(seal_make(&t.policy, pcr7[0], &t.content, &t.blob, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
}

static int start(void **state)
{
    (void)state;
    t.f = (struct failure)FAILURE_NONE;
    t.ticket.size = 0;
    fill(&t.owner, 0x11, 32);
    for (size_t i = 0; i < 32; i++)
        t.owner.bytes[i] = (uint8_t)(0x11 + 7 * i);
    fill(&t.lockout, 0x22, 32);
    fill(&t.content, 0, SEAL_CONTENT_SIZE);
    for (size_t i = 0; i < SEAL_CONTENT_SIZE; i++)
        t.content.bytes[i] = (uint8_t)(0xa1 + 3 * i);
    test_tpm_make(&t.tpm);
    t.policy = make_policy(0);
    boot("on", WORD);
    return 0;
}

static int start_enrolled(void **state)
{
    (void)start(state);
    enrol();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_tpm_remove(&t.tpm);
    return 0;
}

/* Opens, with t.ticket when there is one. Returns the number of commands, or the negative errno. */
static int open_it(const struct seal_policy *policy, const struct seal_blob *blob)
{
    _cleanup_secret_ struct secret content = SECRET_INIT;
    struct seal_ticket made = { .size = 99 };
    const uint64_t before = tpm_command_count();
    int r = seal_open(policy, blob, t.ticket.size > 0 ? &t.ticket : NULL, &content, &made, &t.f);
    const uint64_t used = tpm_command_count() - before;

    assert_int_equal(test_tpm_loaded(), 0);
    if (r < 0) {
        assert_int_equal(content.size, 0);
        assert_int_equal(made.size, 99);
        return r;
    }
    assert_int_equal(content.size, SEAL_CONTENT_SIZE);
    assert_memory_equal(content.bytes, t.content.bytes, SEAL_CONTENT_SIZE);
    if (made.size > 0)
        t.ticket = made;
    return (int)used;
}

static int open_now(void)
{
    return open_it(&t.policy, &t.blob);
}

static void refused(enum code code)
{
    t.f = (struct failure)FAILURE_NONE;
    assert_true(open_now() < 0);
    assert_string_equal(code_entry(t.f.code)->id, code_entry(code)->id);
}

static void test_open(void **state)
{
    (void)state;
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
    assert_true(t.ticket.size > 0);
    assert_int_equal(open_now(), SEAL_COMMANDS);
    /* Nobody opens it after the cap. */
    assert_int_equal(tpm_measure(11, "leave-initrd", 12), 0);
    refused(CODE_UNSEAL_PCR11);
    t.ticket.size = 0;
    refused(CODE_UNSEAL_PCR11);
    boot_again();
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
}

static void test_blob_size(void **state)
{
    uint8_t pcr7[SEAL_PCR_SIZE], live[1][TPM_PCR_SIZE];
    bool fits = false;

    (void)state;
    assert_true(t.blob.size <= 512);
    read_pcr7(live);
    assert_int_equal(seal_describe(&t.blob, &t.policy, pcr7, &fits, &t.f), 0);
    assert_memory_equal(pcr7, live[0], SEAL_PCR_SIZE);
    assert_true(fits);
}

/* What would open the disk of a machine whose firmware gets other keys. */
static void test_predicted(void **state)
{
    uint8_t now[1][TPM_PCR_SIZE], later[1][TPM_PCR_SIZE];

    (void)state;
    test_tpm_reset(&t.tpm);
    boot("new db", WORD);
    read_pcr7(later);
    refused(CODE_UNSEAL_PCR7);
    boot_again();
    read_pcr7(now);
    assert_memory_not_equal(now[0], later[0], TPM_PCR_SIZE);
    assert_int_equal(seal_make(&t.policy, later[0], &t.content, &t.blob, &t.f), 0);
    refused(CODE_UNSEAL_PCR7);
    test_tpm_reset(&t.tpm);
    boot("new db", WORD);
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
}

static void test_pcr7(void **state)
{
    (void)state;
    assert_int_equal(tpm_measure(7, "more", 4), 0);
    refused(CODE_UNSEAL_PCR7);
    assert_non_null(strstr(t.f.text, "PCR 7 is "));
}

static void test_pcr12(void **state)
{
    (void)state;
    assert_int_equal(tpm_measure(12, "appended", 8), 0);
    refused(CODE_UNSEAL_PCR7);
    assert_non_null(strstr(t.f.text, "PCR 12"));
}

static void test_pcr11(void **state)
{
    (void)state;
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
    test_tpm_reset(&t.tpm);
    boot("on", "another boot file");
    refused(CODE_UNSEAL_PCR11); /* with a ticket */
    t.ticket.size = 0;
    refused(CODE_UNSEAL_PCR11); /* and without */
}

static void test_signature(void **state)
{
    (void)state;
    t.policy.signature[17] ^= 1;
    refused(CODE_UNSEAL_PCR11);
    t.policy.signature[17] ^= 1;
    t.policy.approved[0] ^= 1;
    refused(CODE_UNSEAL_PCR11);
    t.policy.approved[0] ^= 1;
    /* Whoever claims another epoch than was signed is refused, above and below. */
    t.policy.epoch = 9;
    refused(CODE_UNSEAL_PCR11);
    t.policy.epoch = 6;
    refused(CODE_UNSEAL_EPOCH);
}

static void test_other_key(void **state)
{
    (void)state;
    t.policy = test_policy_of_another_key(t.policy.approved, 7);
    refused(CODE_UNSEAL_KEY);
}

static void test_epoch(void **state)
{
    const struct seal_policy newer = make_policy(1);
    uint64_t epoch;

    (void)state;
    assert_int_equal(open_it(&newer, &t.blob), SEAL_COMMANDS_NO_TICKET);
    t.ticket.size = 0;
    assert_int_equal(seal_epoch_raise(&t.owner, 8, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
    refused(CODE_UNSEAL_EPOCH);
    assert_int_equal(open_it(&newer, &t.blob), SEAL_COMMANDS_NO_TICKET);
    /* Never lowered, and raising to what is there costs no write. */
    assert_int_equal(seal_epoch_raise(&t.owner, 3, &t.f), 0);
    assert_int_equal(seal_epoch_raise(&t.owner, 8, &t.f), 0);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
    assert_int_equal(epoch, 8);
    boot_again();
    refused(CODE_UNSEAL_EPOCH);
    /* Provisioning again is no way back. */
    assert_int_equal(seal_provision(&t.owner, &t.lockout, 7, &t.f), 0);
    refused(CODE_UNSEAL_EPOCH);
}

static ESYS_TR find_index(void)
{
    ESYS_TR index = ESYS_TR_NONE;

    assert_int_equal(Esys_TR_FromTPMPublic(tpm_esys(), EPOCH_INDEX, SEAL_NO_SESSIONS, &index), 0);
    return index;
}

static void with_owner(bool ours)
{
    TPM2B_AUTH value = { .size = ours ? 32 : 0 };

    for (size_t i = 0; i < 32; i++)
        value.buffer[i] = (BYTE)(0x11 + 7 * i);
    assert_int_equal(Esys_TR_SetAuth(tpm_esys(), ESYS_TR_RH_OWNER, &value), 0);
}

static TSS2_RC undefine(void)
{
    ESYS_TR index = find_index();
    const TSS2_RC rc = Esys_NV_UndefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD,
                                             ESYS_TR_NONE, ESYS_TR_NONE);

    if (rc != 0)
        seal_close(&index);
    return rc;
}

/* Defines the index with these attributes, a value of `size` bytes 0xff at most 8, and writes it as
 * the owner or with its own value. */
static TSS2_RC define(TPMA_NV attributes, uint16_t size, const char *authorization)
{
    TPM2B_NV_PUBLIC area = { .nvPublic = { .nvIndex = EPOCH_INDEX,
                                           .nameAlg = TPM2_ALG_SHA256,
                                           .attributes = attributes,
                                           .dataSize = size } };
    TPM2B_AUTH value = { .size = (UINT16)strlen(authorization) };
    TPM2B_MAX_NV_BUFFER bytes = { .size = size };
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;

    memcpy(value.buffer, authorization, value.size);
    rc = Esys_NV_DefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                             ESYS_TR_NONE, &value, &area, &index);
    if (rc != 0)
        return rc;
    rc = Esys_NV_Write(tpm_esys(), attributes & TPMA_NV_OWNERWRITE ? ESYS_TR_RH_OWNER : index,
                       index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &bytes, 0);
    seal_close(&index);
    return rc;
}

static void test_index_missing(void **state)
{
    (void)state;
    with_owner(true);
    assert_int_equal(undefine(), 0);
    refused(CODE_UNSEAL_NV);
    assert_int_equal(seal_epoch_raise(&t.owner, 9, &t.f), -ENOKEY);
    assert_int_equal(t.f.code, CODE_UNSEAL_NV);
    provision();
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
}

/* A foreign system with every authorization that it can have makes an index of its own there. */
static void test_index_foreign(void **state)
{
    static const TPMA_NV ours = EPOCH_ATTRIBUTES & ~(TPMA_NV)TPMA_NV_WRITTEN;
    static const struct {
        TPMA_NV attributes;
        uint16_t size;
        const char *authorization;
    } areas[] = {
        { TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA, 8, "" },
        { TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA, 8, "" },
        { TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD, 8, "" },
        { TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA, 8, "" },
        { ours, 16, "" },
        { ours, 4, "" },
        { ours, 8, "a value" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
        with_owner(true);
        assert_int_equal(undefine(), 0);
        assert_int_equal(define(areas[i].attributes, areas[i].size, areas[i].authorization), 0);
        if (areas[i].authorization[0] == '\0') {
            refused(CODE_UNSEAL_NV);
            provision(); /* puts ours back */
        } else {
            /* The same public area, with another authorization value: only closed more. */
            refused(CODE_UNSEAL_NV);
            with_owner(true);
            assert_int_equal(undefine(), 0);
            provision();
        }
        assert_true(open_now() > 0);
    }
    /* With the owner's secret the value can be anything: it is what protects. */
    with_owner(true);
    assert_int_equal(undefine(), 0);
    assert_int_equal(define(ours, 8, ""), 0);
    assert_true(open_now() > 0);
}

/* Without the owner's secret, nothing of that. */
static void test_foreign_system(void **state)
{
    static const TPMA_NV ours = EPOCH_ATTRIBUTES & ~(TPMA_NV)TPMA_NV_WRITTEN;
    static const TPM2B_AUTH nothing = { .size = 0 };
    TPM2B_MAX_NV_BUFFER zeros = { .size = EPOCH_SIZE };
    ESYS_TR index, srk = ESYS_TR_NONE, kept = ESYS_TR_NONE;
    uint64_t epoch;

    (void)state;
    with_owner(false);
    assert_int_equal(seal_reason(undefine()), TPM2_RC_BAD_AUTH);
    index = find_index();
    assert_int_equal(
        seal_reason(Esys_NV_Write(tpm_esys(), ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD,
                                  ESYS_TR_NONE, ESYS_TR_NONE, &zeros, 0)),
        TPM2_RC_BAD_AUTH);
    assert_int_equal(seal_reason(Esys_NV_Write(tpm_esys(), index, index, ESYS_TR_PASSWORD,
                                               ESYS_TR_NONE, ESYS_TR_NONE, &zeros, 0)),
                     TPM2_RC_AUTH_UNAVAILABLE);
    assert_int_equal(seal_reason(define(ours, 8, "")), TPM2_RC_BAD_AUTH);
    assert_int_equal(Esys_TR_FromTPMPublic(tpm_esys(), SEAL_SRK_HANDLE, SEAL_NO_SESSIONS, &srk), 0);
    assert_int_equal(
        seal_reason(Esys_EvictControl(tpm_esys(), ESYS_TR_RH_OWNER, srk, ESYS_TR_PASSWORD,
                                      ESYS_TR_NONE, ESYS_TR_NONE, SEAL_SRK_HANDLE, &kept)),
        TPM2_RC_BAD_AUTH);
    assert_int_equal(
        seal_reason(Esys_HierarchyChangeAuth(tpm_esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                             ESYS_TR_NONE, ESYS_TR_NONE, &nothing)),
        TPM2_RC_BAD_AUTH);
    assert_int_equal(seal_reason(Esys_Clear(tpm_esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD,
                                            ESYS_TR_NONE, ESYS_TR_NONE)),
                     TPM2_RC_AUTH_FAIL);
    seal_close(&srk);
    seal_close(&index);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
    assert_int_equal(epoch, 7);
    /* Its failed attempts do not lock us out. */
    assert_true(open_now() > 0);
}

static void test_cleared(void **state)
{
    (void)state;
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
    test_tpm_clear();
    refused(CODE_UNSEAL_TPM);
    /* Made ours again, it has another storage root key: slot and ticket are of the past. */
    provision();
    refused(CODE_UNSEAL_TPM);
    enrol();
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET + 1); /* one for the refused ticket */
    assert_int_equal(open_now(), SEAL_COMMANDS);
}

static void test_other_tpm(void **state)
{
    const struct seal_blob blob = t.blob;

    (void)state;
    test_tpm_remove(&t.tpm);
    test_tpm_make(&t.tpm);
    boot("on", WORD);
    refused(CODE_UNSEAL_TPM);
    enrol();
    assert_true(open_now() > 0);
    t.blob = blob;
    refused(CODE_UNSEAL_TPM);
}

static void test_flipped(void **state)
{
    struct seal_parts parts;
    uint8_t *bytes = (uint8_t *)&parts;

    (void)state;
    /* Damage. */
    for (size_t i = 0; i < t.blob.size; i++) {
        t.blob.bytes[i] ^= 1;
        refused(CODE_UNSEAL_BLOB);
        t.blob.bytes[i] ^= 1;
    }
    for (size_t size = 0; size < t.blob.size; size++) {
        const struct seal_blob whole = t.blob;

        t.blob.size = size;
        refused(CODE_UNSEAL_BLOB);
        t.blob = whole;
    }
    /* Intent: with a sum that fits. */
    assert_int_equal(seal_blob_decode(&t.blob, &parts), 0);
    for (size_t i = 0; i < offsetof(struct seal_parts, private_area) + parts.private_size; i += 7) {
        const size_t size = parts.private_size;

        bytes[i] ^= 1;
        if (parts.private_size == size) {
            seal_blob_encode(&parts, &t.blob);
            t.f = (struct failure)FAILURE_NONE;
            assert_true(open_now() < 0);
            assert_true(t.f.code == CODE_UNSEAL_TPM || t.f.code == CODE_UNSEAL_BLOB ||
                        t.f.code == CODE_UNSEAL_KEY);
        }
        bytes[i] ^= 1;
    }
    seal_blob_encode(&parts, &t.blob);
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
}

static void test_no_bank(void **state)
{
    (void)state;
    test_tpm_banks(true, false);
    boot_again();
    refused(CODE_UNSEAL_BANK);
    test_tpm_banks(true, true);
    boot_again();
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
}

/* The two numbers of the contract, and that a ticket lasts as long as it should. */
static void test_ticket(void **state)
{
    struct seal_ticket ticket;

    (void)state;
    assert_int_equal(seal_ticket_make(&t.policy, &t.ticket, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(open_now(), SEAL_COMMANDS);
    boot_again();
    assert_int_equal(open_now(), SEAL_COMMANDS);
    for (size_t i = 0; i < t.ticket.size; i++) {
        ticket = t.ticket;
        t.ticket.bytes[i] ^= 1;
        /* Not well formed: nobody is asked. Else the TPM refuses it: one command more. */
        assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET + (i >= 12));
        assert_memory_equal(t.ticket.bytes, ticket.bytes, ticket.size); /* made anew */
    }
    assert_int_equal(open_now(), SEAL_COMMANDS);
    /* Of another policy. */
    ticket = t.ticket;
    t.policy = make_policy(1);
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET + 1);
    t.policy.signature[0] ^= 1;
    assert_int_equal(seal_ticket_make(&t.policy, &ticket, &t.f), -ENOKEY);
    assert_int_equal(t.f.code, CODE_UNSEAL_PCR11);
}

static void test_provision_again(void **state)
{
    struct secret other = SECRET_INIT;
    ESYS_TR index;

    (void)state;
    provision();
    provision();
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
    /* Somebody else's secrets change nothing. */
    fill(&other, 0x33, 32);
    assert_int_equal(seal_provision(&other, &t.lockout, 1, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(seal_epoch_raise(&other, 99, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(seal_release(&other, &t.lockout, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(test_tpm_loaded(), 0);
    index = find_index();
    seal_close(&index);
    assert_int_equal(open_now(), SEAL_COMMANDS);
    /* The owner's are right, lockout's are not. */
    assert_int_equal(seal_provision(&t.owner, &other, 1, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(open_now(), SEAL_COMMANDS);
}

/* As Windows leaves it. */
static void test_lockout_taken(void **state)
{
    TPM2B_AUTH value = { .size = 5, .buffer = "other" };

    (void)state;
    assert_int_equal(Esys_HierarchyChangeAuth(tpm_esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &value),
                     0);
    assert_int_equal(seal_provision(&t.owner, &t.lockout, 7, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
}

/* Anybody could have made the index before the TPM was ours. */
static void test_index_planted(void **state)
{
    static const TPMA_NV ours = EPOCH_ATTRIBUTES & ~(TPMA_NV)TPMA_NV_WRITTEN;
    uint64_t epoch;

    (void)state;
    assert_int_equal(define(ours, 8, ""), 0); /* value 0 */
    provision();
    assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
    assert_int_equal(epoch, 7);
}

/* Sealed before there is an owner, who comes later; not where there is one. */
static void test_prepare(void **state)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];

    (void)state;
    assert_int_equal(seal_prepare(7, &t.f), 0);
    read_pcr7(pcr7);
    assert_int_equal(seal_make(&t.policy, pcr7[0], &t.content, &t.blob, &t.f), 0);
    assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
    assert_int_equal(seal_prepare(7, &t.f), 0); /* after an interruption */
    assert_int_equal(open_now(), SEAL_COMMANDS);
    provision();
    assert_int_equal(open_now(), SEAL_COMMANDS);
    assert_int_equal(seal_prepare(1, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(open_now(), SEAL_COMMANDS);
    assert_int_equal(test_tpm_loaded(), 0);
}

static void test_release(void **state)
{
    uint64_t epoch;

    (void)state;
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), -ENOKEY);
    assert_int_equal(t.f.code, CODE_UNSEAL_NV);
    refused(CODE_UNSEAL_NV);
    /* Twice, as after an interruption; then somebody else's. */
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    test_tpm_clear();
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    refused(CODE_UNSEAL_TPM); /* nothing was made */
    enrol();
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    fill(&t.owner, 0x44, 32);
    fill(&t.lockout, 0x55, 32);
    provision();
    assert_true(open_now() > 0);
}

/* A session that computes, and compares nothing: what a TPM makes of the same arguments. */
static void test_trial(void **state)
{
    static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    const TPML_PCR_SELECTION pcr11 = seal_pcr_selection(1u << 11);
    const TPM2B_DIGEST current = { .size = 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        TPM2B_OPERAND operand = { .size = 8 };
        TPM2B_DIGEST *digest = NULL;
        ESYS_TR session, index = find_index();
        char text[2 * PCRSIG_DIGEST_SIZE + 1];

        operand.buffer[7] = (BYTE)policies[i].epoch;
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
        assert_string_equal(text, policies[i].approved);
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
    boot("on", WORD);
    enrol();
    assert_true(open_now() > 0);
    assert_int_equal(seal_epoch_raise(&t.owner, 7, &t.f), 0);
    read_pcr7(pcr7);
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

static void make_breakable(void)
{
    test_tpm_stop(&t.tpm);
    t.tpm.breakable = true;
    test_tpm_start(&t.tpm);
    boot("on", WORD);
}

/* Whichever command fails: the failure says nothing about what is sealed, nothing stays loaded, and
 * the next try works. */
static void test_broken_open(void **state)
{
    unsigned failed = 0;

    (void)state;
    make_breakable();
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
            boot_again();
        assert_int_equal(open_now(), SEAL_COMMANDS_NO_TICKET);
        t.ticket.size = 0;
    }
    assert_int_equal(failed, SEAL_COMMANDS_NO_TICKET);
}

/* Making the TPM ours, interrupted at every command, and taken up again after a restart. */
static void test_broken_provision(void **state)
{
    unsigned n = 1;
    bool broke;

    (void)state;
    do {
        make_breakable();
        test_tpm_break(&t.tpm, n++);
        if (seal_provision(&t.owner, &t.lockout, 7, &t.f) < 0)
            assert_int_equal(t.f.code, CODE_TPM_COMMAND);
        broke = test_tpm_broke(&t.tpm);
        test_tpm_break(&t.tpm, 0);
        boot_again();
        enrol();
        assert_true(open_now() > 0);
        t.ticket.size = 0;
        assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
        test_tpm_clear();
    } while (broke);
    assert_true(n > 10);
}

/* And given back, interrupted likewise. */
static void test_broken_release(void **state)
{
    unsigned n = 1;
    bool broke;

    (void)state;
    do {
        make_breakable();
        provision();
        test_tpm_break(&t.tpm, n++);
        if (seal_release(&t.owner, &t.lockout, &t.f) < 0)
            assert_int_equal(t.f.code, CODE_TPM_COMMAND);
        broke = test_tpm_broke(&t.tpm);
        test_tpm_break(&t.tpm, 0);
        boot_again();
        assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    } while (broke);
    assert_true(n > 6);
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

    (void)state;
    t.f = (struct failure)FAILURE_NONE;
    fill(&t.owner, 1, 32);
    fill(&t.content, 1, SEAL_CONTENT_SIZE);
    t.policy = make_policy(0);
    assert_int_equal(seal_open(&t.policy, &blob, NULL, &content, &ticket, &t.f), -ENXIO);
    assert_int_equal(seal_make(&t.policy, pcr7, &t.content, &blob, &t.f), -ENXIO);
    assert_int_equal(seal_provision(&t.owner, &t.owner, 1, &t.f), -ENXIO);
    assert_int_equal(seal_release(&t.owner, &t.owner, &t.f), -ENXIO);
    assert_int_equal(seal_epoch_raise(&t.owner, 1, &t.f), -ENXIO);
    assert_int_equal(seal_epoch_read(&epoch, &t.f), -ENXIO);
    assert_int_equal(seal_ticket_make(&t.policy, &ticket, &t.f), -ENXIO);
    assert_int_equal(t.f.code, CODE_TPM_COMMAND);
}

#define FRESH(test)    cmocka_unit_test_setup_teardown(test, start, stop)
#define ENROLLED(test) cmocka_unit_test_setup_teardown(test, start_enrolled, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        ENROLLED(test_open),
        ENROLLED(test_blob_size),
        ENROLLED(test_predicted),
        ENROLLED(test_pcr7),
        ENROLLED(test_pcr12),
        ENROLLED(test_pcr11),
        ENROLLED(test_signature),
        ENROLLED(test_other_key),
        ENROLLED(test_epoch),
        ENROLLED(test_index_missing),
        ENROLLED(test_index_foreign),
        ENROLLED(test_foreign_system),
        ENROLLED(test_cleared),
        ENROLLED(test_other_tpm),
        ENROLLED(test_flipped),
        ENROLLED(test_no_bank),
        ENROLLED(test_ticket),
        ENROLLED(test_provision_again),
        FRESH(test_lockout_taken),
        FRESH(test_index_planted),
        FRESH(test_prepare),
        ENROLLED(test_release),
        ENROLLED(test_trial),
        FRESH(test_wire),
        ENROLLED(test_broken_open),
        FRESH(test_broken_provision),
        FRESH(test_broken_release),
#ifndef SANITIZED /* its own copies, and memory that must not be looked at */
        ENROLLED(test_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
