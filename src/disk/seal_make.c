#include <string.h>

#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_owner.h"
#include "disk/seal_tpm.h"
#include "sys/tpm_esys.h"

/* The storage root key is the one that opening will meet: its session keeps the bus from reading
 * along. */
static int note_srk(struct seal_parts *parts, struct failure *f)
{
    ESYS_TR srk = ESYS_TR_NONE;
    int r = seal_srk_find(&srk, parts->point, f);

    seal_close(&srk);
    return r;
}

int seal_make(const struct seal_target *target, const struct secret *content, struct seal_blob *ret,
              struct failure *f)
{
    const TPM2B_PUBLIC key = seal_key_public(target->policy);
    const TPM2B_NAME key_name = seal_public_name(&key);
    struct seal_owner o = {
        .owner = target->owner, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
    };
    struct seal_parts parts = { .place = (uint8_t)target->place };
    TPM2B_NV_PUBLIC area;
    int r = seal_need_tpm(f);

    CHECK(content->size == SEAL_CONTENT_SIZE && target->place < SEAL_PLACES);
    memcpy(parts.pcr7, target->pcr7, SEAL_PCR_SIZE);
    memcpy(parts.key_name, key_name.name + 2, PCRSIG_DIGEST_SIZE);
    area = seal_place_public(&parts);
    if (r == 0)
        r = note_srk(&parts, f);
    if (r == 0)
        r = seal_owner_begin(&o, false);
    if (r == 0)
        r = seal_index_make(&o, &area, content->bytes);
    r = seal_owner_finish(&o, r);
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
