/* Making the TPM ours, and giving it back. */
#include <errno.h>
#include <string.h>

#include "disk/epoch.h"
#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_owner.h"
#include "disk/seal_tpm.h"
#include "sys/tpm_esys.h"

static int change(struct seal_owner *o, ESYS_TR hierarchy, const struct secret *value,
                  const char *what)
{
    TPM2B_AUTH authorization = seal_owner_value(value);
    const TSS2_RC rc = Esys_HierarchyChangeAuth(tpm_esys(), hierarchy, o->session, ESYS_TR_NONE,
                                                ESYS_TR_NONE, &authorization);

    explicit_bzero(&authorization, sizeof(authorization));
    if (rc != TSS2_RC_SUCCESS)
        return seal_owner_failed(o, rc, what);
    seal_owner_use(hierarchy, value);
    return 0;
}

/* Owner first: a wrong value for it costs nothing, one for lockout locks lockout for a day. Ours is
 * set after the owner's and emptied before it, so lockout without owner is never ours. */
static int take_hierarchies(struct seal_owner *o)
{
    int r = change(o, ESYS_TR_RH_OWNER, o->owner, "owner authorization is not ours");

    return r < 0 ? r
                 : change(o, ESYS_TR_RH_LOCKOUT, o->lockout, "lockout authorization is not ours");
}

/* --- The epoch --- */

static void epoch_bytes(uint64_t epoch, uint8_t ret[static EPOCH_SIZE])
{
    for (unsigned i = 0; i < EPOCH_SIZE; i++)
        ret[i] = (uint8_t)(epoch >> (8 * (EPOCH_SIZE - 1 - i)));
}

static int make_epoch(struct seal_owner *o, uint64_t epoch)
{
    const TPM2B_NV_PUBLIC area = seal_epoch_public();
    uint8_t bytes[EPOCH_SIZE];

    epoch_bytes(epoch, bytes);
    return seal_index_make(o, &area, bytes);
}

static int look_at_epoch(void)
{
    const TPM2B_NV_PUBLIC area = seal_epoch_public();

    return seal_index_look(&area);
}

int seal_epoch_read(uint64_t *ret, struct failure *f)
{
    TPM2B_MAX_NV_BUFFER *bytes = NULL;
    ESYS_TR index = ESYS_TR_NONE;
    uint64_t epoch = 0;
    TSS2_RC rc;
    int r = seal_need_tpm(f);

    if (r < 0)
        return r;
    rc = Esys_TR_FromTPMPublic(tpm_esys(), EPOCH_INDEX, SEAL_NO_SESSIONS, &index);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_NV_Read(tpm_esys(), index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                          EPOCH_SIZE, 0, &bytes);
    seal_close(&index);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(f, seal_is_verdict(rc) ? CODE_UNSEAL_NV : CODE_TPM_COMMAND, rc,
                            "the epoch is missing, or cannot be read");
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

    return look_at_epoch() == 0 && seal_epoch_read(&epoch, &ignored) == 0;
}

int seal_epoch_raise(const struct secret *owner, uint64_t epoch, struct failure *f)
{
    struct seal_owner o = { .owner = owner, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    uint8_t bytes[EPOCH_SIZE];
    uint64_t now;
    int r = seal_need_tpm(f);

    if (r == 0 && look_at_epoch() != 0)
        r = seal_refused(f, CODE_UNSEAL_NV, 0, "the epoch is missing or its index is not ours");
    if (r == 0)
        r = seal_epoch_read(&now, f);
    if (r < 0 || now >= epoch)
        return r;
    epoch_bytes(epoch, bytes);
    r = seal_owner_begin(&o, false);
    if (r == 0)
        r = seal_index_write(&o, EPOCH_INDEX, bytes, sizeof(bytes));
    return seal_owner_finish(&o, r);
}

/* --- The whole --- */

static int empty_places(struct seal_owner *o, unsigned keep)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < SEAL_PLACES; i++) {
        if (!(keep & 1u << i))
            r = seal_index_remove(o, SEAL_PLACE_INDEX + i);
    }
    return r;
}

int seal_prepare(uint64_t epoch, struct failure *f)
{
    struct seal_owner o = { .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    int r = seal_owner_begin(&o, true);

    if (r == 0 && o.owner_set)
        r = seal_refused(f, CODE_TPM_OWNED, 0, "owner authorization is set");
    if (r == 0)
        r = make_epoch(&o, epoch);
    return seal_owner_finish(&o, r);
}

/* What anybody can have left in a TPM without an owner goes before there is one: after a power cut
 * in between there is none still, and it is done again. */
static int take(struct seal_owner *o, uint64_t epoch, unsigned keep)
{
    int r = 0;

    if (o->lockout_set && !o->owner_set)
        return seal_refused(o->f, CODE_TPM_OWNED, 0, "lockout authorization is set, and not by us");
    if (!o->owner_set) {
        r = make_epoch(o, epoch);
        if (r == 0)
            r = empty_places(o, keep);
    }
    if (r == 0)
        r = take_hierarchies(o);
    return r == 0 && o->owner_set && !has_epoch() ? make_epoch(o, epoch) : r;
}

int seal_provision(const struct secret *owner, const struct secret *lockout, uint64_t epoch,
                   unsigned keep, struct failure *f)
{
    struct seal_owner o = {
        .owner = owner, .lockout = lockout, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
    };
    int r = seal_owner_begin(&o, true);

    return seal_owner_finish(&o, r == 0 ? take(&o, epoch, keep) : r);
}

int seal_keep(const struct secret *owner, unsigned keep, struct failure *f)
{
    struct seal_owner o = { .owner = owner, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    int r = seal_owner_begin(&o, false);

    return seal_owner_finish(&o, r == 0 ? empty_places(&o, keep) : r);
}

int seal_is_owned(bool *ret, struct failure *f)
{
    struct seal_owner o = { .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f };
    int r = seal_need_tpm(f);

    if (r == 0)
        r = seal_owner_look(&o);
    if (r == 0)
        *ret = o.owner_set && look_at_epoch() == 0;
    return r;
}

/* Nothing of ours is in it. */
static bool is_untouched(const struct seal_owner *o)
{
    bool places = false;

    for (unsigned i = 0; i < SEAL_PLACES; i++) {
        const struct seal_parts parts = { .place = (uint8_t)i };
        const TPM2B_NV_PUBLIC area = seal_place_public(&parts);

        places = places || seal_index_look(&area) != -ENOENT;
    }
    return !o->owner_set && !o->lockout_set && !places && look_at_epoch() == -ENOENT;
}

/* Before anything is changed; owner first, as in take_hierarchies(). */
static int prove_ours(struct seal_owner *o)
{
    if (o->lockout_set && !o->owner_set)
        return seal_refused(o->f, CODE_TPM_OWNED, 0, "lockout authorization is set, and not by us");
    return o->owner_set ? change(o, ESYS_TR_RH_OWNER, o->owner, "owner authorization is not ours")
                        : 0;
}

static int give_back(struct seal_owner *o)
{
    int r = prove_ours(o);

    if (r == 0 && o->lockout_set)
        r = change(o, ESYS_TR_RH_LOCKOUT, NULL, "lockout authorization is not ours");
    if (r == 0 && o->owner_set)
        r = change(o, ESYS_TR_RH_OWNER, NULL, "owner authorization is not ours");
    if (r == 0)
        r = seal_index_remove(o, EPOCH_INDEX);
    return r == 0 ? empty_places(o, SEAL_NO_PLACE) : r;
}

int seal_release(const struct secret *owner, const struct secret *lockout, struct failure *f)
{
    struct seal_owner o = {
        .owner = owner, .lockout = lockout, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
    };
    int r = seal_need_tpm(f);

    if (r == 0)
        r = seal_owner_look(&o);
    /* As after a clear: what is not ours is not made ours to be given away. */
    if (r < 0 || is_untouched(&o))
        return r;
    r = seal_owner_begin(&o, true);
    return seal_owner_finish(&o, r == 0 ? give_back(&o) : r);
}
