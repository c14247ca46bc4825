#include "disk/seal_tpm.h"

#include <errno.h>
#include <string.h>
#include <openssl/evp.h>
#include <tss2/tss2_mu.h>

#include "disk/seal_format.h"
#include "sys/tpm_esys.h"

enum {
    PLACE = 0xf00 | TPM2_RC_P, /* of format-one codes: the number and kind of what is wrong */
    LAYER = 0xff << TSS2_RC_LAYER_SHIFT,
    WARNING = TPM2_RC_WARN, /* "not now" */
    SERIALIZED_MAX = 512,
    STACK_SIZE = 32768,
    NO_SUCH_HANDLE = 0x7fffffff,
    RESOURCE_KEY = 1, /* kinds in the library's own form of a handle */
    RESOURCE_NV = 2
};

TSS2_RC seal_reason(TSS2_RC rc)
{
    if ((rc & LAYER) != TSS2_TPM_RC_LAYER && (rc & LAYER) != TSS2_RESMGR_TPM_RC_LAYER)
        return 0;
    rc &= ~(TSS2_RC)LAYER;
    return rc & TPM2_RC_FMT1 ? rc & ~(TSS2_RC)PLACE : rc;
}

bool seal_is_verdict(TSS2_RC rc)
{
    const TSS2_RC reason = seal_reason(rc);

    return reason != 0 && reason != TPM2_RC_FAILURE &&
           (reason & TPM2_RC_FMT1 || (reason & WARNING) != WARNING);
}

bool seal_is_missing(TSS2_RC rc)
{
    return seal_reason(rc) == TPM2_RC_HANDLE;
}

int seal_refused(struct failure *f, enum code code, TSS2_RC rc, const char *what)
{
    const int cause = code == CODE_TPM_COMMAND || code == CODE_TPM_OWNED ? -EIO : -ENOKEY;

    return rc == TSS2_RC_SUCCESS ? failure_set(f, code, cause, "%s", what)
                                 : failure_set(f, code, cause, "%s (0x%x)", what, rc);
}

int seal_need_tpm(struct failure *f)
{
    return tpm_esys() ? 0 : failure_set(f, CODE_TPM_COMMAND, -ENXIO, "no TPM is open");
}

TSS2_RC seal_session(ESYS_TR srk, TPM2_SE kind, TPMA_SESSION attributes, ESYS_TR *ret)
{
    static const TPMT_SYM_DEF symmetric = { .algorithm = TPM2_ALG_AES,
                                            .keyBits.aes = 128,
                                            .mode.aes = TPM2_ALG_CFB };
    ESYS_TR session = ESYS_TR_NONE;
    TSS2_RC rc = Esys_StartAuthSession(tpm_esys(), srk, ESYS_TR_NONE, SEAL_NO_SESSIONS, NULL, kind,
                                       &symmetric, TPM2_ALG_SHA256, &session);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_TRSess_SetAttributes(tpm_esys(), session, attributes, 0xff);
    if (rc == TSS2_RC_SUCCESS)
        *ret = session;
    else
        seal_flush(&session);
    return rc;
}

int seal_srk_find(ESYS_TR *ret, uint8_t ret_point[static 64], struct failure *f)
{
    TPM2B_PUBLIC *area = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc = Esys_TR_FromTPMPublic(tpm_esys(), SEAL_SRK_HANDLE, SEAL_NO_SESSIONS, &key);
    bool fits;

    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, seal_is_missing(rc) ? CODE_UNSEAL_TPM : CODE_TPM_COMMAND, rc,
                            "the TPM has no storage root key");
    rc = Esys_ReadPublic(tpm_esys(), key, SEAL_NO_SESSIONS, &area, NULL, NULL);
    fits = rc == TSS2_RC_SUCCESS && seal_srk_fits(area, ret_point);
    Esys_Free(area);
    if (fits) {
        *ret = key;
        return 0;
    }
    seal_close(&key);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, CODE_TPM_COMMAND, rc, "the storage root key cannot be read");
    return seal_refused(f, CODE_TPM_OWNED, rc,
                        "the key at 0x81000001 is no storage root key for P-256");
}

/* The library asks the TPM for the public area when it is given a handle only. It takes the same in
 * the form that Esys_TR_Serialize() writes: handle, name, kind, public area. */
static TSS2_RC assume(TPM2_HANDLE handle, const TPM2B_NAME *name, uint32_t kind,
                      const uint8_t *area, size_t size, ESYS_TR *ret)
{
    uint8_t bytes[SERIALIZED_MAX];
    size_t offset = 0;

    CHECK(Tss2_MU_TPM2_HANDLE_Marshal(handle, bytes, sizeof(bytes), &offset) == TSS2_RC_SUCCESS &&
          Tss2_MU_TPM2B_NAME_Marshal(name, bytes, sizeof(bytes), &offset) == TSS2_RC_SUCCESS &&
          Tss2_MU_UINT32_Marshal(kind, bytes, sizeof(bytes), &offset) == TSS2_RC_SUCCESS &&
          size <= sizeof(bytes) - offset);
    memcpy(bytes + offset, area, size);
    return Esys_TR_Deserialize(tpm_esys(), bytes, offset + size, ret);
}

TSS2_RC seal_srk_assume(const uint8_t point[static 64], ESYS_TR *ret)
{
    const TPM2B_PUBLIC area = seal_srk_public(point);
    const TPM2B_NAME name = seal_public_name(&area);
    uint8_t bytes[SERIALIZED_MAX];
    size_t size = 0;

    CHECK(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, bytes, sizeof(bytes), &size) == TSS2_RC_SUCCESS);
    return assume(SEAL_SRK_HANDLE, &name, RESOURCE_KEY, bytes, size, ret);
}

TSS2_RC seal_index_assume(const TPM2B_NV_PUBLIC *area, ESYS_TR *ret)
{
    const TPM2B_NAME name = seal_index_name(area);
    uint8_t bytes[SERIALIZED_MAX];
    size_t size = 0;

    CHECK(Tss2_MU_TPM2B_NV_PUBLIC_Marshal(area, bytes, sizeof(bytes), &size) == TSS2_RC_SUCCESS);
    return assume(area->nvPublic.nvIndex, &name, RESOURCE_NV, bytes, size, ret);
}

int seal_index_look(const TPM2B_NV_PUBLIC *area)
{
    const TPM2B_NAME wanted = seal_index_name(area);
    TPM2B_NAME *name = NULL;
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(tpm_esys(), area->nvPublic.nvIndex, SEAL_NO_SESSIONS, &index);
    int r;

    if (rc != TSS2_RC_SUCCESS)
        return seal_is_missing(rc) ? -ENOENT : -EIO;
    rc = Esys_NV_ReadPublic(tpm_esys(), index, SEAL_NO_SESSIONS, NULL, &name);
    if (rc != TSS2_RC_SUCCESS)
        r = -EIO;
    else
        r = name->size != wanted.size || memcmp(name->name, wanted.name, wanted.size) != 0;
    Esys_Free(name);
    seal_close(&index);
    return r;
}

void seal_close(ESYS_TR *handle)
{
    if (*handle != ESYS_TR_NONE)
        (void)Esys_TR_Close(tpm_esys(), handle); /* only the library's memory */
    *handle = ESYS_TR_NONE;
}

void seal_flush(ESYS_TR *handle)
{
    /* A TPM that cannot flush fails with the next command as well. */
    if (*handle != ESYS_TR_NONE && Esys_FlushContext(tpm_esys(), *handle) != TSS2_RC_SUCCESS)
        seal_close(handle);
    *handle = ESYS_TR_NONE;
}

/* More than the library's deepest frames. */
static __attribute__((noinline)) void wipe_stack(void)
{
    uint8_t frame[STACK_SIZE];

    explicit_bzero(frame, sizeof(frame));
}

void seal_forget(void)
{
    static const TPM2B_SENSITIVE_CREATE nothing = { .size = 0 };
    static const TPM2B_PUBLIC area = { .size = 0 };
    static const TPM2B_DATA data = { .size = 0 };
    static const TPML_PCR_SELECTION pcrs = { .count = 0 };

    /* Arguments are kept in case that a command must be sent again. Those of a command that refers
     * to nothing replace them, and it is refused before it is sent. */
    if (tpm_esys())
        (void)Esys_Create(tpm_esys(), NO_SUCH_HANDLE, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                          &nothing, &area, &data, &pcrs, NULL, NULL, NULL, NULL, NULL);
    tpm_forget_response();
    wipe_stack();
}

int seal_verify(const struct seal_policy *policy, TPMT_TK_VERIFIED *ret, struct failure *f)
{
    const TPM2B_PUBLIC area = seal_key_public(policy);
    TPM2B_DIGEST digest = { .size = PCRSIG_DIGEST_SIZE };
    TPMT_SIGNATURE signature = { .sigAlg = TPM2_ALG_RSASSA };
    TPMT_TK_VERIFIED *ticket = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc;

    CHECK(EVP_Digest(policy->approved, PCRSIG_DIGEST_SIZE, digest.buffer, NULL, EVP_sha256(),
                     NULL) == 1);
    signature.signature.rsassa.hash = TPM2_ALG_SHA256;
    signature.signature.rsassa.sig.size = PCRSIG_MODULUS_SIZE;
    memcpy(signature.signature.rsassa.sig.buffer, policy->signature, PCRSIG_MODULUS_SIZE);
    /* Tickets of the null hierarchy are empty: the key belongs to the owner's for the moment. */
    rc = Esys_LoadExternal(tpm_esys(), SEAL_NO_SESSIONS, NULL, &area, ESYS_TR_RH_OWNER, &key);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, CODE_TPM_COMMAND, rc, "the TPM does not take the PCR-policy key");
    rc = Esys_VerifySignature(tpm_esys(), key, SEAL_NO_SESSIONS, &digest, &signature, &ticket);
    seal_flush(&key);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, seal_is_verdict(rc) ? CODE_UNSEAL_PCR11 : CODE_TPM_COMMAND, rc,
                            "the signature of the policy does not verify");
    *ret = *ticket;
    Esys_Free(ticket);
    return 0;
}
