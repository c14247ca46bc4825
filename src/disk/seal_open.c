#include <errno.h>
#include <string.h>

#include "base/hex.h"
#include "disk/seal.h"
#include "disk/seal_format.h"
#include "disk/seal_tpm.h"
#include "sys/tpm.h"
#include "sys/tpm_esys.h"

enum { PCR_SECURE_BOOT = 7, PCR_KERNEL = 11, PCR_COMMAND_LINE = 12 };

/* One attempt, and what it has loaded. */
struct opening {
    const struct seal_policy *policy;
    struct seal_parts parts;
    TPM2B_NAME key_name;
    TPM2B_NV_PUBLIC area; /* of the place */
    ESYS_TR srk, epoch, place, session;
    TPMT_TK_VERIFIED ticket;
    bool has_ticket, new_ticket;
    struct failure *f;
};

static int start(struct opening *o)
{
    const TPM2B_NV_PUBLIC epoch = seal_epoch_public();
    TSS2_RC rc = seal_srk_assume(o->parts.point, &o->srk);

    if (rc == TSS2_RC_SUCCESS)
        rc = seal_index_assume(&epoch, &o->epoch);
    if (rc == TSS2_RC_SUCCESS)
        rc = seal_index_assume(&o->area, &o->place);
    if (rc != TSS2_RC_SUCCESS)
        return seal_refused(o->f, CODE_TPM_COMMAND, rc, "the library does not take a handle");
    rc = seal_session(o->srk, TPM2_SE_POLICY, TPMA_SESSION_ENCRYPT, &o->session);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    if (seal_is_missing(rc))
        return seal_refused(o->f, CODE_UNSEAL_TPM, rc, "the TPM has no storage root key");
    if (!seal_reason(rc))
        return seal_refused(o->f, CODE_UNSEAL_BLOB, rc, "no session with the stored key");
    return seal_refused(o->f, CODE_TPM_COMMAND, rc, "the TPM starts no session");
}

static TSS2_RC policy_pcr(const struct opening *o, uint32_t mask)
{
    static const TPM2B_DIGEST current = { .size = 0 }; /* whatever the PCRs are now */
    const TPML_PCR_SELECTION selection = seal_pcr_selection(mask);

    return Esys_PolicyPCR(tpm_esys(), o->session, SEAL_NO_SESSIONS, &current, &selection);
}

static bool has_bank(void)
{
    static const unsigned pcr = PCR_KERNEL;
    uint8_t value[1][TPM_PCR_SIZE];

    return tpm_read(&pcr, 1, value) != -ENOENT;
}

static int measured(struct opening *o, uint32_t mask)
{
    const TSS2_RC rc = policy_pcr(o, mask);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    return has_bank() ? seal_refused(o->f, CODE_TPM_COMMAND, rc, "the TPM has no such PCR")
                      : seal_refused(o->f, CODE_UNSEAL_BANK, rc, "no SHA-256 bank is active");
}

static int measured_boot_file(struct opening *o)
{
    return measured(o, 1u << PCR_KERNEL);
}

static int measured_machine(struct opening *o)
{
    return measured(o, 1u << PCR_SECURE_BOOT | 1u << PCR_COMMAND_LINE);
}

/* A refusal that an index which is not ours explains. 0: it is ours. */
static int blame_index(struct opening *o, TSS2_RC rc)
{
    const TPM2B_NV_PUBLIC area = seal_epoch_public();
    const int r = seal_index_look(&area);

    if (r == -ENOENT)
        return seal_refused(o->f, CODE_UNSEAL_NV, rc, "the TPM has no epoch");
    if (r == 1)
        return seal_refused(o->f, CODE_UNSEAL_NV, rc, "the index of the epoch is not ours");
    return 0;
}

static int epoch_allows(struct opening *o)
{
    TPM2B_OPERAND operand = { .size = 8 };
    TSS2_RC rc;
    int r;

    for (unsigned i = 0; i < 8; i++)
        operand.buffer[i] = (BYTE)(o->policy->epoch >> (8 * (7 - i)));
    rc = Esys_PolicyNV(tpm_esys(), o->epoch, o->epoch, o->session, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                       ESYS_TR_NONE, &operand, 0, TPM2_EO_UNSIGNED_LE);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    r = seal_is_verdict(rc) ? blame_index(o, rc) : 0;
    if (r < 0)
        return r;
    if (seal_reason(rc) == TPM2_RC_POLICY)
        return seal_refused(o->f, CODE_UNSEAL_EPOCH, rc, "the TPM's epoch is above ours");
    if (seal_reason(rc) == TPM2_RC_BAD_AUTH)
        return seal_refused(o->f, CODE_UNSEAL_NV, rc, "the epoch has an authorization value");
    return seal_refused(o->f, CODE_TPM_COMMAND, rc, "the epoch cannot be compared with");
}

static TSS2_RC authorize(const struct opening *o)
{
    static const TPM2B_NONCE no_reference = { .size = 0 };
    TPM2B_DIGEST approved = { .size = PCRSIG_DIGEST_SIZE };

    memcpy(approved.buffer, o->policy->approved, PCRSIG_DIGEST_SIZE);
    return Esys_PolicyAuthorize(tpm_esys(), o->session, SEAL_NO_SESSIONS, &approved, &no_reference,
                                &o->key_name, &o->ticket);
}

/* The approved policy is not the one that this boot leads to, though its key signed it. */
static int blame_approval(struct opening *o, TSS2_RC rc)
{
    int r;

    if (!seal_is_verdict(rc))
        return seal_refused(o->f, CODE_TPM_COMMAND, rc, "the TPM does not answer");
    if (!has_bank())
        return seal_refused(o->f, CODE_UNSEAL_BANK, rc, "no SHA-256 bank is active");
    r = blame_index(o, rc);
    return r < 0 ? r
                 : seal_refused(o->f, CODE_UNSEAL_PCR11, rc,
                                "PCR 11 is not what was signed with this epoch");
}

static int authorized(struct opening *o)
{
    TSS2_RC rc;
    int r;

    /* A ticket that is refused is an old one, or none of this TPM's: the signature decides. */
    if (o->has_ticket && authorize(o) == TSS2_RC_SUCCESS)
        return 0;
    r = seal_verify(o->policy, &o->ticket, o->f);
    if (r < 0)
        return r;
    rc = authorize(o);
    if (rc != TSS2_RC_SUCCESS)
        return blame_approval(o, rc);
    o->new_ticket = true;
    return 0;
}

/* Says which of the two PCRs it was. */
static int blame_machine(struct opening *o, TSS2_RC rc)
{
    static const unsigned pcrs[] = { PCR_SECURE_BOOT, PCR_COMMAND_LINE };
    static const uint8_t zeros[TPM_PCR_SIZE];
    uint8_t values[2][TPM_PCR_SIZE];
    char is[2 * TPM_PCR_SIZE + 1], was[2 * TPM_PCR_SIZE + 1];

    if (tpm_read(pcrs, 2, values) < 0)
        return seal_refused(o->f, CODE_UNSEAL_PCR7, rc, "PCR 7 or 12 is another one");
    if (memcmp(values[1], zeros, sizeof(zeros)) != 0)
        return seal_refused(o->f, CODE_UNSEAL_PCR7, rc,
                            "PCR 12 is not zero: something was added to the boot file");
    hex_encode(values[0], TPM_PCR_SIZE, is);
    hex_encode(o->parts.pcr7, TPM_PCR_SIZE, was);
    return failure_set(o->f, CODE_UNSEAL_PCR7, -ENOKEY, "PCR 7 is %s, it is sealed for %s (0x%x)",
                       is, was, rc);
}

static int take(struct opening *o, const TPM2B_MAX_NV_BUFFER *data, struct secret *ret)
{
    if (data->size != SEAL_CONTENT_SIZE)
        return seal_refused(o->f, CODE_TPM_COMMAND, 0, "the TPM gives less than was asked for");
    return secret_set(ret, data->buffer, data->size);
}

/* The TPM was asked for what it does not keep, or not now. */
static int blame_place(struct opening *o, TSS2_RC rc)
{
    const int r = seal_is_verdict(rc) ? seal_index_look(&o->area) : -EIO;

    if (r == -EIO)
        return seal_refused(o->f, CODE_TPM_COMMAND, rc, "the TPM does not give the secret");
    if (r == -ENOENT)
        return seal_refused(o->f, CODE_UNSEAL_TPM, rc, "the TPM keeps no secret for this disk");
    if (r == 1)
        return seal_refused(o->f, CODE_UNSEAL_TPM, rc, "the TPM keeps another secret");
    if (seal_reason(rc) == TPM2_RC_POLICY_FAIL || seal_reason(rc) == TPM2_RC_PCR_CHANGED)
        return blame_machine(o, rc);
    /* A session salted to a key that the TPM does not have. */
    return seal_refused(o->f, CODE_UNSEAL_TPM, rc, "the TPM does not answer to the stored key");
}

static int unseal(struct opening *o, struct secret *ret)
{
    TPM2B_MAX_NV_BUFFER *data = NULL;
    const TSS2_RC rc = Esys_NV_Read(tpm_esys(), o->place, o->place, o->session, ESYS_TR_NONE,
                                    ESYS_TR_NONE, SEAL_CONTENT_SIZE, 0, &data);
    int r;

    tpm_forget_response();
    if (rc != TSS2_RC_SUCCESS)
        return blame_place(o, rc);
    seal_close(&o->session); /* ended with the command */
    r = take(o, data, ret);
    explicit_bzero(data, sizeof(*data));
    Esys_Free(data);
    return r;
}

/* In the order of docs/reference/tpm.md. */
static int run(struct opening *o, struct secret *ret)
{
    static int (*const steps[])(struct opening * o) = { start, measured_boot_file, epoch_allows,
                                                        authorized, measured_machine };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
        r = steps[i](o);
    return r == 0 ? unseal(o, ret) : r;
}

static int prepare(struct opening *o, const struct seal_blob *blob,
                   const struct seal_ticket *ticket)
{
    const TPM2B_PUBLIC key = seal_key_public(o->policy);
    int r = seal_need_tpm(o->f);

    if (r < 0)
        return r;
    if (seal_blob_decode(blob, &o->parts) < 0)
        return failure_set(o->f, CODE_UNSEAL_BLOB, -EBADMSG, "what is stored is malformed");
    o->area = seal_place_public(&o->parts);
    o->key_name = seal_public_name(&key);
    if (memcmp(o->key_name.name + 2, o->parts.key_name, PCRSIG_DIGEST_SIZE) != 0)
        return failure_set(o->f, CODE_UNSEAL_KEY, -ENOKEY,
                           "it is sealed for another PCR-policy key");
    o->has_ticket = ticket && seal_ticket_decode(ticket, &o->ticket) == 0;
    return 0;
}

int seal_open(const struct seal_policy *policy, const struct seal_blob *blob,
              const struct seal_ticket *ticket, struct secret *ret_content,
              struct seal_ticket *ret_ticket, struct failure *f)
{
    struct opening o = { .policy = policy,
                         .srk = ESYS_TR_NONE,
                         .epoch = ESYS_TR_NONE,
                         .place = ESYS_TR_NONE,
                         .session = ESYS_TR_NONE,
                         .f = f };
    int r = prepare(&o, blob, ticket);

    if (r < 0)
        return r;
    r = run(&o, ret_content);
    seal_flush(&o.session);
    seal_close(&o.srk);
    seal_close(&o.epoch);
    seal_close(&o.place);
    seal_forget();
    if (r < 0)
        return r;
    ret_ticket->size = 0;
    if (o.new_ticket)
        seal_ticket_encode(&o.ticket, ret_ticket);
    return 0;
}

int seal_describe(const struct seal_blob *blob, const struct seal_policy *policy,
                  struct seal_description *ret, struct failure *f)
{
    const TPM2B_PUBLIC key = seal_key_public(policy);
    const TPM2B_NAME name = seal_public_name(&key);
    struct seal_parts parts;

    if (seal_blob_decode(blob, &parts) < 0)
        return failure_set(f, CODE_UNSEAL_BLOB, -EBADMSG, "what is stored is malformed");
    memcpy(ret->pcr7, parts.pcr7, SEAL_PCR_SIZE);
    ret->place = parts.place;
    ret->key_fits = memcmp(name.name + 2, parts.key_name, PCRSIG_DIGEST_SIZE) == 0;
    return 0;
}
