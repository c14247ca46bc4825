#include "disk/seal_owner.h"

#include <errno.h>
#include <string.h>

#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "sys/tpm_esys.h"

TPM2B_AUTH seal_owner_value(const struct secret *value)
{
    TPM2B_AUTH authorization = { .size = 0 };

    if (!value)
        return authorization;
    CHECK(value->size == 32);
    authorization.size = (UINT16)value->size;
    memcpy(authorization.buffer, value->bytes, value->size);
    return authorization;
}

void seal_owner_use(ESYS_TR hierarchy, const struct secret *value)
{
    TPM2B_AUTH authorization = seal_owner_value(value);

    CHECK(Esys_TR_SetAuth(tpm_esys(), hierarchy, &authorization) == TSS2_RC_SUCCESS);
    explicit_bzero(&authorization, sizeof(authorization));
}

static void use_ours(const struct seal_owner *o)
{
    seal_owner_use(ESYS_TR_RH_OWNER, o->owner_set ? o->owner : NULL);
    seal_owner_use(ESYS_TR_RH_LOCKOUT, o->lockout_set ? o->lockout : NULL);
}

int seal_owner_failed(const struct seal_owner *o, TSS2_RC rc, const char *what)
{
    const TSS2_RC reason = seal_reason(rc);
    const bool foreign =
        reason == TPM2_RC_AUTH_FAIL || reason == TPM2_RC_BAD_AUTH || reason == TPM2_RC_LOCKOUT;

    return seal_refused(o->f, foreign ? CODE_TPM_OWNED : CODE_TPM_COMMAND, rc, what);
}

int seal_owner_look(struct seal_owner *o)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    TSS2_RC rc = Esys_GetCapability(tpm_esys(), SEAL_NO_SESSIONS, TPM2_CAP_TPM_PROPERTIES,
                                    TPM2_PT_PERMANENT, 1, &more, &data);
    const TPML_TAGGED_TPM_PROPERTY *properties;
    int r = 0;

    if (rc != TSS2_RC_SUCCESS)
        return seal_owner_failed(o, rc, "the TPM does not say who owns it");
    properties = &data->data.tpmProperties;
    if (properties->count != 1 || properties->tpmProperty[0].property != TPM2_PT_PERMANENT) {
        r = seal_owner_failed(o, rc, "the TPM does not say who owns it");
    } else {
        o->owner_set = properties->tpmProperty[0].value & TPMA_PERMANENT_OWNERAUTHSET;
        o->lockout_set = properties->tpmProperty[0].value & TPMA_PERMANENT_LOCKOUTAUTHSET;
    }
    Esys_Free(data);
    return r;
}

int seal_owner_finish(struct seal_owner *o, int r)
{
    if (!tpm_esys())
        return r;
    seal_flush(&o->session);
    seal_close(&o->srk);
    seal_owner_use(ESYS_TR_RH_OWNER, NULL);
    seal_owner_use(ESYS_TR_RH_LOCKOUT, NULL);
    seal_forget();
    return r;
}

static int start_session(struct seal_owner *o, TPMA_SESSION attributes)
{
    const TSS2_RC rc =
        seal_session(o->srk, TPM2_SE_HMAC, TPMA_SESSION_CONTINUESESSION | attributes, &o->session);

    return rc == TSS2_RC_SUCCESS ? 0 : seal_owner_failed(o, rc, "the TPM starts no session");
}

static int make_persistent(struct seal_owner *o, ESYS_TR key)
{
    ESYS_TR kept = ESYS_TR_NONE;
    const TSS2_RC rc = Esys_EvictControl(tpm_esys(), ESYS_TR_RH_OWNER, key, o->session,
                                         ESYS_TR_NONE, ESYS_TR_NONE, SEAL_SRK_HANDLE, &kept);

    seal_close(&kept);
    return rc == TSS2_RC_SUCCESS
               ? 0
               : seal_owner_failed(o, rc, "the storage root key cannot be made persistent");
}

/* The session cannot be salted yet, and has nothing to hide but the authorization, which it never
 * carries. */
static int make_srk(struct seal_owner *o)
{
    static const TPM2B_SENSITIVE_CREATE nothing = { .size = 0 };
    static const TPM2B_DATA no_data = { .size = 0 };
    static const TPML_PCR_SELECTION no_pcrs = { .count = 0 };
    const TPM2B_PUBLIC template = seal_srk_public(NULL);
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc;
    int r;

    if (tpm_esys_renew() < 0) /* this session has no salt */
        return seal_refused(o->f, CODE_TPM_COMMAND, 0, "the library does not start");
    use_ours(o);
    r = start_session(o, 0);
    if (r < 0)
        return r;
    rc = Esys_CreatePrimary(tpm_esys(), ESYS_TR_RH_OWNER, o->session, ESYS_TR_NONE, ESYS_TR_NONE,
                            &nothing, &template, &no_data, &no_pcrs, &key, NULL, NULL, NULL, NULL);
    r = rc == TSS2_RC_SUCCESS ? make_persistent(o, key)
                              : seal_owner_failed(o, rc, "the TPM makes no storage root key");
    seal_flush(&key);
    seal_flush(&o->session);
    return r;
}

/* The storage root key, made when there is none, and a session that is salted to it. */
static int open_session(struct seal_owner *o, bool make)
{
    uint8_t point[SEAL_POINT_SIZE];
    int r = seal_srk_find(&o->srk, point, o->f);

    if (r < 0 && o->f->code == CODE_UNSEAL_TPM && make) {
        r = make_srk(o);
        if (r == 0)
            r = seal_srk_find(&o->srk, point, o->f);
    }
    return r == 0 ? start_session(o, TPMA_SESSION_DECRYPT) : r;
}

int seal_owner_begin(struct seal_owner *o, bool make)
{
    int r = seal_need_tpm(o->f);

    if (r == 0)
        r = seal_owner_look(o);
    if (r < 0)
        return r;
    use_ours(o);
    return open_session(o, make);
}

/* --- Indices --- */

/* CODE_UNSEAL_NV when there is none. */
static int find_index(struct seal_owner *o, TPM2_HANDLE number, ESYS_TR *ret)
{
    const TSS2_RC rc = Esys_TR_FromTPMPublic(tpm_esys(), number, SEAL_NO_SESSIONS, ret);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    return seal_refused(o->f, seal_is_missing(rc) ? CODE_UNSEAL_NV : CODE_TPM_COMMAND, rc,
                        "the TPM has no such index");
}

int seal_index_remove(struct seal_owner *o, TPM2_HANDLE number)
{
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = find_index(o, number, &index);

    if (r < 0)
        return o->f->code == CODE_UNSEAL_NV ? 0 : r;
    rc = Esys_NV_UndefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, index, o->session, ESYS_TR_NONE,
                               ESYS_TR_NONE);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    seal_close(&index);
    return seal_owner_failed(o, rc, "an index of the TPM cannot be removed");
}

int seal_index_write(struct seal_owner *o, TPM2_HANDLE number, const void *bytes, size_t size)
{
    TPM2B_MAX_NV_BUFFER data = { .size = (UINT16)size };
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = find_index(o, number, &index);

    if (r < 0)
        return r;
    CHECK(size <= sizeof(data.buffer));
    memcpy(data.buffer, bytes, size);
    rc = Esys_NV_Write(tpm_esys(), ESYS_TR_RH_OWNER, index, o->session, ESYS_TR_NONE, ESYS_TR_NONE,
                       &data, 0);
    explicit_bzero(&data, sizeof(data));
    seal_close(&index);
    return rc == TSS2_RC_SUCCESS
               ? 0
               : seal_owner_failed(o, rc, "an index of the TPM cannot be written");
}

int seal_index_make(struct seal_owner *o, const TPM2B_NV_PUBLIC *area, const void *bytes)
{
    static const TPM2B_AUTH no_value = { .size = 0 };
    TPM2B_NV_PUBLIC fresh = *area;
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = seal_index_remove(o, area->nvPublic.nvIndex);

    if (r < 0)
        return r;
    fresh.nvPublic.attributes &= ~(TPMA_NV)TPMA_NV_WRITTEN;
    rc = Esys_NV_DefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, o->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             &no_value, &fresh, &index);
    if (rc != TSS2_RC_SUCCESS)
        return seal_owner_failed(o, rc, "an index of the TPM cannot be defined");
    seal_close(&index);
    return seal_index_write(o, area->nvPublic.nvIndex, bytes, area->nvPublic.dataSize);
}
