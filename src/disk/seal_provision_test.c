/* Making a real TPM (swtpm) ours and giving it back, and what somebody else can do to it. */
#include "disk/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "disk/epoch.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "disk/test_seal.h"
#include "sys/tpm_esys.h"

static void with_owner(bool ours)
{
    TPM2B_AUTH value = { .size = ours ? 32 : 0 };

    for (size_t i = 0; i < 32; i++)
        value.buffer[i] = (BYTE)(0x11 + 7 * i);
    assert_int_equal(Esys_TR_SetAuth(tpm_esys(), ESYS_TR_RH_OWNER, &value), 0);
}

static TSS2_RC undefine(void)
{
    ESYS_TR index = test_seal_find_index();
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
    test_seal_refused(CODE_UNSEAL_NV);
    assert_int_equal(seal_epoch_raise(&t.owner, 9, &t.f), -ENOKEY);
    assert_int_equal(t.f.code, CODE_UNSEAL_NV);
    test_seal_provision();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
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
            test_seal_refused(CODE_UNSEAL_NV);
            test_seal_provision(); /* puts ours back */
        } else {
            /* The same public area, with another authorization value: only closed more. */
            test_seal_refused(CODE_UNSEAL_NV);
            with_owner(true);
            assert_int_equal(undefine(), 0);
            test_seal_provision();
        }
        assert_true(test_seal_open_now() > 0);
    }
    /* With the owner's secret the value can be anything: it is what protects. */
    with_owner(true);
    assert_int_equal(undefine(), 0);
    assert_int_equal(define(ours, 8, ""), 0);
    assert_true(test_seal_open_now() > 0);
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
    index = test_seal_find_index();
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
    assert_true(test_seal_open_now() > 0);
}

static void test_provision_again(void **state)
{
    struct secret other = SECRET_INIT;
    uint8_t pcr7[1][TPM_PCR_SIZE];
    struct seal_blob blob;
    ESYS_TR index;

    (void)state;
    test_seal_provision();
    test_seal_provision();
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    /* Somebody else's secrets change nothing. */
    test_seal_fill(&other, 0x33, 32);
    assert_int_equal(seal_provision(&other, &t.lockout, 1, 1u << 0, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    test_seal_read_pcr7(pcr7);
    assert_int_equal(test_seal_seal(pcr7[0], 0, &other, &blob), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(seal_epoch_raise(&other, 99, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(seal_release(&other, &t.lockout, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(test_tpm_loaded(), 0);
    index = test_seal_find_index();
    seal_close(&index);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    /* The owner's are right, lockout's are not. */
    assert_int_equal(seal_provision(&t.owner, &other, 1, 1u << 0, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
}

/* As Windows leaves it. */
static void test_lockout_taken(void **state)
{
    TPM2B_AUTH value = { .size = 5, .buffer = "other" };

    (void)state;
    assert_int_equal(Esys_HierarchyChangeAuth(tpm_esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &value),
                     0);
    assert_int_equal(seal_provision(&t.owner, &t.lockout, 7, 1u << 0, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
}

/* Anybody could have made the index before the TPM was ours. */
static void test_index_planted(void **state)
{
    static const TPMA_NV ours = EPOCH_ATTRIBUTES & ~(TPMA_NV)TPMA_NV_WRITTEN;
    uint64_t epoch;

    (void)state;
    assert_int_equal(define(ours, 8, ""), 0); /* value 0 */
    test_seal_provision();
    assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
    assert_int_equal(epoch, 7);
}

/* Somebody has a disk of his own, and puts what opens it into this machine's TPM: the same policy,
 * under the same storage root key, with everything that can be read. */
static void test_planted(void **state)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];
    struct seal_blob planted = { .size = 0 };
    struct seal_parts parts;

    (void)state;
    test_seal_read_pcr7(pcr7);
    for (unsigned place = 0; place < SEAL_PLACES; place++) {
        assert_int_equal(test_seal_seal(pcr7[0], place, NULL, &planted), -EIO);
        assert_int_equal(t.f.code, CODE_TPM_OWNED);
    }
    assert_int_equal(planted.size, 0);
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    /* Nor does it help to say where it would be. */
    assert_int_equal(seal_blob_decode(&t.blob, &parts), 0);
    parts.place = 1;
    seal_blob_encode(&parts, &t.blob);
    test_seal_refused(CODE_UNSEAL_TPM);
    /* The twin: it is the owner's authorization that makes the difference. */
    assert_int_equal(test_seal_seal(pcr7[0], 1, &t.owner, &planted), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
}

/* The same, before the machine was set up. */
static void test_planted_before(void **state)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];
    struct seal_blob planted;

    (void)state;
    assert_int_equal(seal_prepare(7, &t.f), 0);
    test_seal_read_pcr7(pcr7);
    assert_int_equal(test_seal_seal(pcr7[0], 1, NULL, &planted), 0);
    assert_int_equal(test_seal_seal(pcr7[0], 0, NULL, &t.blob), 0);
    assert_int_equal(test_seal_open_it(&t.policy, &planted), SEAL_COMMANDS_NO_TICKET);
    test_seal_provision();
    assert_true(test_seal_has_index(SEAL_PLACE_INDEX));
    assert_false(test_seal_has_index(SEAL_PLACE_INDEX + 1));
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    t.blob = planted;
    test_seal_refused(CODE_UNSEAL_TPM);
    /* A second place of our own stays when the TPM is found to be ours. */
    assert_int_equal(test_seal_seal(pcr7[0], 1, &t.owner, &t.blob), 0);
    test_seal_provision();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    assert_int_equal(seal_keep(&t.owner, 1u << 1, &t.f), 0);
    assert_false(test_seal_has_index(SEAL_PLACE_INDEX));
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    assert_int_equal(test_tpm_loaded(), 0);
    test_seal_fill(&t.owner, 0x33, 32);
    assert_int_equal(seal_keep(&t.owner, SEAL_NO_PLACE, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
}

/* The TPM says whose it is, whatever disk is there. */
static void test_owned(void **state)
{
    bool owned = true;

    (void)state;
    assert_int_equal(seal_is_owned(&owned, &t.f), 0);
    assert_false(owned);
    assert_int_equal(seal_prepare(7, &t.f), 0);
    assert_int_equal(seal_is_owned(&owned, &t.f), 0);
    assert_false(owned); /* anybody can have made an index */
    test_seal_provision();
    assert_int_equal(seal_is_owned(&owned, &t.f), 0);
    assert_true(owned);
    assert_int_equal(test_tpm_loaded(), 0);
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    assert_int_equal(seal_is_owned(&owned, &t.f), 0);
    assert_false(owned);
    test_seal_provision();
    test_tpm_clear();
    assert_int_equal(seal_is_owned(&owned, &t.f), 0);
    assert_false(owned);
}

/* Sealed before there is an owner, who comes later; not where there is one. */
static void test_prepare(void **state)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];

    (void)state;
    assert_int_equal(seal_prepare(7, &t.f), 0);
    test_seal_read_pcr7(pcr7);
    assert_int_equal(test_seal_seal(pcr7[0], 0, NULL, &t.blob), 0);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS_NO_TICKET);
    assert_int_equal(seal_prepare(7, &t.f), 0); /* after an interruption */
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    test_seal_provision();
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
    assert_int_equal(seal_prepare(1, &t.f), -EIO);
    assert_int_equal(t.f.code, CODE_TPM_OWNED);
    assert_int_equal(test_seal_open_now(), SEAL_COMMANDS);
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
    test_seal_refused(CODE_UNSEAL_NV);
    assert_false(test_seal_has_index(SEAL_PLACE_INDEX)); /* nobody can open it ever again */
    /* Twice, as after an interruption; then somebody else's. */
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    test_tpm_clear();
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    test_seal_refused(CODE_UNSEAL_TPM); /* nothing was made */
    test_seal_enrol();
    assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
    test_seal_fill(&t.owner, 0x44, 32);
    test_seal_fill(&t.lockout, 0x55, 32);
    test_seal_provision();
    test_seal_refused(CODE_UNSEAL_TPM); /* the former disk's secret is gone */
    test_seal_enrol();
    assert_true(test_seal_open_now() > 0);
}

/* Making the TPM ours, interrupted at every command, and taken up again after a restart. */
static void test_broken_provision(void **state)
{
    static const TPMA_NV ours = EPOCH_ATTRIBUTES & ~(TPMA_NV)TPMA_NV_WRITTEN;
    unsigned n = 1;
    uint64_t epoch;
    bool broke;

    (void)state;
    do {
        test_seal_make_breakable();
        assert_int_equal(define(ours, EPOCH_SIZE, ""), 0); /* planted, as in test_index_planted() */
        test_tpm_break(&t.tpm, n++);
        if (seal_provision(&t.owner, &t.lockout, 7, 1u << 0, &t.f) < 0)
            assert_int_equal(t.f.code, CODE_TPM_COMMAND);
        broke = test_tpm_broke(&t.tpm);
        test_tpm_break(&t.tpm, 0);
        test_seal_boot_again();
        test_seal_enrol();
        assert_int_equal(seal_epoch_read(&epoch, &t.f), 0);
        assert_int_equal(epoch, 7);
        assert_true(test_seal_open_now() > 0);
        t.ticket.size = 0;
        assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
        test_tpm_clear();
    } while (broke);
    assert_true(n > 10);
}

/* And given back, interrupted likewise: what is sealed opens as long as the epoch is there. */
static void test_broken_release(void **state)
{
    unsigned n = 1;
    uint64_t epoch;
    bool broke;

    (void)state;
    do {
        test_seal_make_breakable();
        test_seal_enrol();
        test_tpm_break(&t.tpm, n++);
        if (seal_release(&t.owner, &t.lockout, &t.f) < 0)
            assert_int_equal(t.f.code, CODE_TPM_COMMAND);
        broke = test_tpm_broke(&t.tpm);
        test_tpm_break(&t.tpm, 0);
        test_seal_boot_again();
        t.ticket.size = 0;
        if (seal_epoch_read(&epoch, &t.f) == 0)
            assert_true(test_seal_open_now() > 0);
        assert_int_equal(seal_release(&t.owner, &t.lockout, &t.f), 0);
        assert_false(test_seal_has_index(EPOCH_INDEX));
        assert_false(test_seal_has_index(SEAL_PLACE_INDEX));
    } while (broke);
    assert_true(n > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_SEAL_ENROLLED(test_index_missing),
        TEST_SEAL_ENROLLED(test_index_foreign),
        TEST_SEAL_ENROLLED(test_foreign_system),
        TEST_SEAL_ENROLLED(test_provision_again),
        TEST_SEAL_FRESH(test_lockout_taken),
        TEST_SEAL_FRESH(test_index_planted),
        TEST_SEAL_ENROLLED(test_planted),
        TEST_SEAL_FRESH(test_planted_before),
        TEST_SEAL_FRESH(test_owned),
        TEST_SEAL_FRESH(test_prepare),
        TEST_SEAL_ENROLLED(test_release),
        TEST_SEAL_FRESH(test_broken_provision),
        TEST_SEAL_FRESH(test_broken_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
