#include <string.h>

#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "sys/tpm_esys.h"

static void take_parts(const TPM2B_PRIVATE *private_area, const TPM2B_PUBLIC *area,
                       struct seal_parts *parts)
{
    parts->private_size = private_area->size;
    memcpy(parts->private_area, private_area->buffer, private_area->size);
    memcpy(parts->unique, area->publicArea.unique.keyedHash.buffer, sizeof(parts->unique));
}

static bool fits(const TPM2B_PRIVATE *private_area, const TPM2B_PUBLIC *area)
{
    return private_area->size > 0 && private_area->size <= SEAL_PRIVATE_MAX &&
           area->publicArea.unique.keyedHash.size == PCRSIG_DIGEST_SIZE;
}

/* The content crosses the bus encrypted: it is the first parameter, and the session is salted. */
static int create(ESYS_TR srk, ESYS_TR session, const struct secret *content,
                  struct seal_parts *parts, struct failure *f)
{
    static const TPM2B_DATA no_data = { .size = 0 };
    static const TPML_PCR_SELECTION no_pcrs = { .count = 0 };
    const TPM2B_PUBLIC area = seal_object_public(parts->key_name, parts->pcr7, NULL);
    TPM2B_SENSITIVE_CREATE sensitive = { .sensitive.data.size = SEAL_CONTENT_SIZE };
    TPM2B_PRIVATE *private_area = NULL;
    TPM2B_PUBLIC *made = NULL;
    TSS2_RC rc;
    int r = 0;

    memcpy(sensitive.sensitive.data.buffer, content->bytes, SEAL_CONTENT_SIZE);
    rc = Esys_Create(tpm_esys(), srk, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &area,
                     &no_data, &no_pcrs, &private_area, &made, NULL, NULL, NULL);
    explicit_bzero(&sensitive, sizeof(sensitive));
    if (rc != TSS2_RC_SUCCESS || !fits(private_area, made))
        r = seal_refused(f, CODE_TPM_COMMAND, rc, "the TPM seals nothing");
    else
        take_parts(private_area, made, parts);
    Esys_Free(private_area);
    Esys_Free(made);
    return r;
}

int seal_make(const struct seal_policy *policy, const uint8_t pcr7[static SEAL_PCR_SIZE],
              const struct secret *content, struct seal_blob *ret, struct failure *f)
{
    const TPM2B_PUBLIC key = seal_key_public(policy);
    const TPM2B_NAME key_name = seal_public_name(&key);
    ESYS_TR srk = ESYS_TR_NONE, session = ESYS_TR_NONE;
    struct seal_parts parts = { .private_size = 0 };
    TSS2_RC rc;
    int r = seal_need_tpm(f);

    CHECK(content->size == SEAL_CONTENT_SIZE);
    memcpy(parts.pcr7, pcr7, SEAL_PCR_SIZE);
    memcpy(parts.key_name, key_name.name + 2, PCRSIG_DIGEST_SIZE);
    if (r == 0)
        r = seal_srk_find(&srk, parts.point, f);
    if (r < 0)
        return r;
    rc = seal_session(srk, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION,
                      &session);
    r = rc == TSS2_RC_SUCCESS ? create(srk, session, content, &parts, f)
                              : seal_refused(f, CODE_TPM_COMMAND, rc, "the TPM starts no session");
    seal_flush(&session);
    seal_close(&srk);
    seal_forget();
    if (r == 0)
        seal_blob_encode(&parts, ret);
    return r;
}

int seal_ticket_make(const struct seal_policy *policy, struct seal_ticket *ret, struct failure *f)
{
    TPMT_TK_VERIFIED ticket;
    int r = seal_need_tpm(f);

    if (r == 0)
        r = seal_verify(policy, &ticket, f);
    if (r == 0)
        seal_ticket_encode(&ticket, ret);
    return r;
}
