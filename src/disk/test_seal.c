#include "disk/test_seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/hex.h"
#include "disk/epoch.h"
#include "disk/seal_tpm.h"
#include "disk/test_policy.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

struct test_seal t;

const struct test_seal_policy test_seal_policies[TEST_SEAL_POLICIES] = {
    { 7, "c63a954bc1b202661696adf735838f458e0ea8edeb704a9367ba236a2b834922" },
    { 9, "2fbe09c486adb56484cc3d5fbfe7de111ebad6b8d23d124ced15fbe3c9be0d78" },
};

struct seal_policy test_seal_make_policy(size_t which)
{
    uint8_t approved[PCRSIG_DIGEST_SIZE];

    assert_int_equal(hex_decode(test_seal_policies[which].approved,
                                strlen(test_seal_policies[which].approved), approved,
                                sizeof(approved)),
                     0);
    return test_policy_make(approved, test_seal_policies[which].epoch);
}

void test_seal_boot(const char *secure_boot, const char *word)
{
    assert_int_equal(tpm_measure(7, secure_boot, strlen(secure_boot)), 0);
    assert_int_equal(tpm_measure(11, word, strlen(word)), 0);
}

void test_seal_boot_again(void)
{
    test_tpm_reset(&t.tpm);
    test_seal_boot("on", TEST_SEAL_WORD);
}

void test_seal_fill(struct secret *s, int byte, size_t size)
{
    uint8_t bytes[SECRET_SIZE_MAX];

    memset(bytes, byte, sizeof(bytes));
    assert_int_equal(secret_set(s, bytes, size), 0);
}

void test_seal_read_pcr7(uint8_t ret[static 1][TPM_PCR_SIZE])
{
    static const unsigned pcr = 7;

    assert_int_equal(tpm_read(&pcr, 1, ret), 0);
}

void test_seal_provision(void)
{
    if (seal_provision(&t.owner, &t.lockout, 7, 1u << 0, &t.f) < 0)
        fail_msg("%s: %s", code_entry(t.f.code)->id, t.f.text);
}

int test_seal_seal(const uint8_t *pcr7, unsigned place, const struct secret *owner,
                   struct seal_blob *ret)
{
    const struct seal_target target = {
        .policy = &t.policy, .pcr7 = pcr7, .place = place, .owner = owner
    };

    return seal_make(&target, &t.content, ret, &t.f);
}

void test_seal_enrol(void)
{
    uint8_t pcr7[1][TPM_PCR_SIZE];

    test_seal_provision();
    test_seal_read_pcr7(pcr7);
    assert_int_equal(test_seal_seal(pcr7[0], 0, &t.owner, &t.blob), 0);
    assert_int_equal(test_tpm_loaded(), 0);
}

int test_seal_start(void **state)
{
    (void)state;
    t.f = (struct failure)FAILURE_NONE;
    t.ticket.size = 0;
    test_seal_fill(&t.owner, 0x11, 32);
    for (size_t i = 0; i < 32; i++)
        t.owner.bytes[i] = (uint8_t)(0x11 + 7 * i);
    test_seal_fill(&t.lockout, 0x22, 32);
    test_seal_fill(&t.content, 0, SEAL_CONTENT_SIZE);
    for (size_t i = 0; i < SEAL_CONTENT_SIZE; i++)
        t.content.bytes[i] = (uint8_t)(0xa1 + 3 * i);
    test_tpm_make(&t.tpm);
    t.policy = test_seal_make_policy(0);
    test_seal_boot("on", TEST_SEAL_WORD);
    return 0;
}

int test_seal_start_enrolled(void **state)
{
    (void)test_seal_start(state);
    test_seal_enrol();
    return 0;
}

int test_seal_stop(void **state)
{
    (void)state;
    test_tpm_remove(&t.tpm);
    return 0;
}

int test_seal_open_it(const struct seal_policy *policy, const struct seal_blob *blob)
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

int test_seal_open_now(void)
{
    return test_seal_open_it(&t.policy, &t.blob);
}

void test_seal_refused(enum code code)
{
    t.f = (struct failure)FAILURE_NONE;
    assert_true(test_seal_open_now() < 0);
    assert_string_equal(code_entry(t.f.code)->id, code_entry(code)->id);
}

ESYS_TR test_seal_find_index(void)
{
    ESYS_TR index = ESYS_TR_NONE;

    assert_int_equal(Esys_TR_FromTPMPublic(tpm_esys(), EPOCH_INDEX, SEAL_NO_SESSIONS, &index), 0);
    return index;
}

bool test_seal_has_index(TPM2_HANDLE number)
{
    ESYS_TR index = ESYS_TR_NONE;
    const TSS2_RC rc = Esys_TR_FromTPMPublic(tpm_esys(), number, SEAL_NO_SESSIONS, &index);

    assert_true(rc == TSS2_RC_SUCCESS || seal_is_missing(rc));
    seal_close(&index);
    return rc == TSS2_RC_SUCCESS;
}

void test_seal_make_breakable(void)
{
    test_tpm_stop(&t.tpm);
    t.tpm.breakable = true;
    test_tpm_start(&t.tpm);
    test_seal_boot("on", TEST_SEAL_WORD);
}
