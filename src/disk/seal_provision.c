/* Making the TPM ours, and giving it back. Authorization values never cross the bus: they key an
 * HMAC, and new ones are encrypted by a session that is salted to the storage root key. */
#include <errno.h>
#include <string.h>

#include "disk/epoch.h"
#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "sys/tpm_esys.h"

/* Our side of the hierarchies. */
struct ownership {
    const struct secret *owner, *lockout;
    bool owner_set, lockout_set; /* in the TPM: to something */
    ESYS_TR srk, session;
    struct failure *f;
};

static TPM2B_AUTH as_authorization(const struct secret *value)
{
    TPM2B_AUTH authorization = { .size = 0 };

    if (!value)
        return authorization;
    CHECK(value->size == 32);
    authorization.size = (UINT16)value->size;
    memcpy(authorization.buffer, value->bytes, value->size);
    return authorization;
}

/* What the library uses for a hierarchy from now on; NULL: the empty value. */
static void use(ESYS_TR hierarchy, const struct secret *value)
{
    TPM2B_AUTH authorization = as_authorization(value);

    CHECK(Esys_TR_SetAuth(tpm_esys(), hierarchy, &authorization) == TSS2_RC_SUCCESS);
    explicit_bzero(&authorization, sizeof(authorization));
}

static void use_ours(const struct ownership *o)
{
    use(ESYS_TR_RH_OWNER, o->owner_set ? o->owner : NULL);
    use(ESYS_TR_RH_LOCKOUT, o->lockout_set ? o->lockout : NULL);
}

static int command_failed(const struct ownership *o, TSS2_RC rc, const char *what)
{
    const TSS2_RC reason = seal_reason(rc);
    const bool foreign =
        reason == TPM2_RC_AUTH_FAIL || reason == TPM2_RC_BAD_AUTH || reason == TPM2_RC_LOCKOUT;

    return seal_refused(o->f, foreign ? CODE_TPM_OWNED : CODE_TPM_COMMAND, rc, what);
}

static int look(struct ownership *o)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    TSS2_RC rc = Esys_GetCapability(tpm_esys(), SEAL_NO_SESSIONS, TPM2_CAP_TPM_PROPERTIES,
                                    TPM2_PT_PERMANENT, 1, &more, &data);
    const TPML_TAGGED_TPM_PROPERTY *properties;
    int r = 0;

    if (rc != TSS2_RC_SUCCESS)
        return command_failed(o, rc, "the TPM does not say who owns it");
    properties = &data->data.tpmProperties;
    if (properties->count != 1 || properties->tpmProperty[0].property != TPM2_PT_PERMANENT) {
        r = command_failed(o, rc, "the TPM does not say who owns it");
    } else {
        o->owner_set = properties->tpmProperty[0].value & TPMA_PERMANENT_OWNERAUTHSET;
        o->lockout_set = properties->tpmProperty[0].value & TPMA_PERMANENT_LOCKOUTAUTHSET;
    }
    Esys_Free(data);
    return r;
}

static int finish(struct ownership *o, int r)
{
    seal_flush(&o->session);
    seal_close(&o->srk);
    use(ESYS_TR_RH_OWNER, NULL);
    use(ESYS_TR_RH_LOCKOUT, NULL);
    seal_forget();
    return r;
}

static int start_session(struct ownership *o, TPMA_SESSION attributes)
{
    const TSS2_RC rc =
        seal_session(o->srk, TPM2_SE_HMAC, TPMA_SESSION_CONTINUESESSION | attributes, &o->session);

    return rc == TSS2_RC_SUCCESS ? 0 : command_failed(o, rc, "the TPM starts no session");
}

static int make_persistent(struct ownership *o, ESYS_TR key)
{
    ESYS_TR kept = ESYS_TR_NONE;
    const TSS2_RC rc = Esys_EvictControl(tpm_esys(), ESYS_TR_RH_OWNER, key, o->session,
                                         ESYS_TR_NONE, ESYS_TR_NONE, SEAL_SRK_HANDLE, &kept);

    seal_close(&kept);
    return rc == TSS2_RC_SUCCESS
               ? 0
               : command_failed(o, rc, "the storage root key cannot be made persistent");
}

/* The session cannot be salted yet, and has nothing to hide but the authorization, which it never
 * carries. */
static int make_srk(struct ownership *o)
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
                              : command_failed(o, rc, "the TPM makes no storage root key");
    seal_flush(&key);
    seal_flush(&o->session);
    return r;
}

/* The storage root key, made when there is none, and a session that is salted to it. */
static int open_session(struct ownership *o, bool make)
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

static int change(struct ownership *o, ESYS_TR hierarchy, const struct secret *value,
                  const char *what)
{
    TPM2B_AUTH authorization = as_authorization(value);
    const TSS2_RC rc = Esys_HierarchyChangeAuth(tpm_esys(), hierarchy, o->session, ESYS_TR_NONE,
                                                ESYS_TR_NONE, &authorization);

    explicit_bzero(&authorization, sizeof(authorization));
    if (rc != TSS2_RC_SUCCESS)
        return command_failed(o, rc, what);
    use(hierarchy, value);
    return 0;
}

static int begin(struct ownership *o, bool make)
{
    int r = seal_need_tpm(o->f);

    if (r == 0)
        r = look(o);
    if (r < 0)
        return r;
    use_ours(o);
    return open_session(o, make);
}

/* Owner first: a wrong value for it costs nothing, one for lockout locks lockout for a day. Ours is
 * set after the owner's and emptied before it, so lockout without owner is never ours. */
static int take_hierarchies(struct ownership *o)
{
    int r;

    if (o->lockout_set && !o->owner_set)
        return seal_refused(o->f, CODE_TPM_OWNED, 0, "lockout authorization is set, and not by us");
    r = change(o, ESYS_TR_RH_OWNER, o->owner, "owner authorization is not ours");
    return r < 0 ? r
                 : change(o, ESYS_TR_RH_LOCKOUT, o->lockout, "lockout authorization is not ours");
}

static int find_index(struct ownership *o, ESYS_TR *ret)
{
    const TSS2_RC rc = Esys_TR_FromTPMPublic(tpm_esys(), EPOCH_INDEX, SEAL_NO_SESSIONS, ret);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    return seal_refused(o->f, seal_is_missing(rc) ? CODE_UNSEAL_NV : CODE_TPM_COMMAND, rc,
                        "the TPM has no epoch");
}

static int remove_index(struct ownership *o)
{
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = find_index(o, &index);

    if (r < 0)
        return o->f->code == CODE_UNSEAL_NV ? 0 : r;
    rc = Esys_NV_UndefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, index, o->session, ESYS_TR_NONE,
                               ESYS_TR_NONE);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    seal_close(&index);
    return command_failed(o, rc, "the index of the epoch cannot be removed");
}

static TPM2B_MAX_NV_BUFFER as_bytes(uint64_t epoch)
{
    TPM2B_MAX_NV_BUFFER bytes = { .size = EPOCH_SIZE };

    for (unsigned i = 0; i < EPOCH_SIZE; i++)
        bytes.buffer[i] = (BYTE)(epoch >> (8 * (EPOCH_SIZE - 1 - i)));
    return bytes;
}

static int write_index(struct ownership *o, uint64_t epoch)
{
    const TPM2B_MAX_NV_BUFFER bytes = as_bytes(epoch);
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = find_index(o, &index);

    if (r < 0)
        return r;
    rc = Esys_NV_Write(tpm_esys(), ESYS_TR_RH_OWNER, index, o->session, ESYS_TR_NONE, ESYS_TR_NONE,
                       &bytes, 0);
    seal_close(&index);
    return rc == TSS2_RC_SUCCESS ? 0 : command_failed(o, rc, "the epoch cannot be written");
}

static int make_index(struct ownership *o, uint64_t epoch)
{
    static const TPM2B_AUTH no_value = { .size = 0 };
    TPM2B_NV_PUBLIC area = seal_epoch_public();
    ESYS_TR index = ESYS_TR_NONE;
    TSS2_RC rc;
    int r = remove_index(o);

    if (r < 0)
        return r;
    area.nvPublic.attributes &= ~(TPMA_NV)TPMA_NV_WRITTEN;
    rc = Esys_NV_DefineSpace(tpm_esys(), ESYS_TR_RH_OWNER, o->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             &no_value, &area, &index);
    if (rc != TSS2_RC_SUCCESS)
        return command_failed(o, rc, "the index of the epoch cannot be defined");
    seal_close(&index);
    return write_index(o, epoch);
}

int seal_prepare(uint64_t epoch, struct failure *f)
{
    struct ownership o = { .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    int r = begin(&o, true);

    if (r == 0 && o.owner_set)
        r = seal_refused(f, CODE_TPM_OWNED, 0, "owner authorization is set");
    if (r == 0)
        r = make_index(&o, epoch);
    return tpm_esys() ? finish(&o, r) : r;
}

int seal_epoch_read(uint64_t *ret, struct failure *f)
{
    struct ownership o = { .f = f };
    TPM2B_MAX_NV_BUFFER *bytes = NULL;
    ESYS_TR index = ESYS_TR_NONE;
    uint64_t epoch = 0;
    TSS2_RC rc;
    int r = seal_need_tpm(f);

    if (r == 0)
        r = find_index(&o, &index);
    if (r < 0)
        return r;
    rc = Esys_NV_Read(tpm_esys(), index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                      EPOCH_SIZE, 0, &bytes);
    seal_close(&index);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, seal_reason(rc) ? CODE_UNSEAL_NV : CODE_TPM_COMMAND, rc,
                            "the epoch cannot be read");
    for (unsigned i = 0; i < EPOCH_SIZE; i++)
        epoch = epoch << 8 | bytes->buffer[i];
    Esys_Free(bytes);
    *ret = epoch;
    return 0;
}

/* Ours, and one that can be compared with. */
static bool has_epoch(void)
{
    struct failure ignored = FAILURE_NONE;
    uint64_t epoch;

    return seal_epoch_look() == 0 && seal_epoch_read(&epoch, &ignored) == 0;
}

int seal_provision(const struct secret *owner, const struct secret *lockout, uint64_t epoch,
                   struct failure *f)
{
    struct ownership o = {
        .owner = owner, .lockout = lockout, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
    };
    int r = begin(&o, true);

    if (r == 0)
        r = take_hierarchies(&o);
    if (r == 0 && (!o.owner_set || !has_epoch()))
        r = make_index(&o, epoch);
    return tpm_esys() ? finish(&o, r) : r;
}

int seal_epoch_raise(const struct secret *owner, uint64_t epoch, struct failure *f)
{
    struct ownership o = { .owner = owner, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    uint64_t now;
    int r = seal_need_tpm(f);

    if (r == 0 && seal_epoch_look() != 0)
        r = seal_refused(f, CODE_UNSEAL_NV, 0, "the epoch is missing or its index is not ours");
    if (r == 0)
        r = seal_epoch_read(&now, f);
    if (r < 0 || now >= epoch)
        return r;
    r = begin(&o, false);
    return finish(&o, r == 0 ? write_index(&o, epoch) : r);
}

int seal_release(const struct secret *owner, const struct secret *lockout, struct failure *f)
{
    struct ownership o = {
        .owner = owner, .lockout = lockout, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
    };
    int r = seal_need_tpm(f);

    if (r == 0)
        r = look(&o);
    /* As after a clear: what is not ours is not made ours to be given away. */
    if (r < 0 || (!o.owner_set && !o.lockout_set && seal_epoch_look() == -ENOENT))
        return r;
    r = begin(&o, true);
    if (r == 0)
        r = remove_index(&o);
    if (r == 0 && o.lockout_set)
        r = change(&o, ESYS_TR_RH_LOCKOUT, NULL, "lockout authorization is not ours");
    if (r == 0 && o.owner_set)
        r = change(&o, ESYS_TR_RH_OWNER, NULL, "owner authorization is not ours");
    return tpm_esys() ? finish(&o, r) : r;
}
