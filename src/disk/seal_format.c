#include "disk/seal_format.h"

#include <errno.h>
#include <string.h>
#include <openssl/evp.h>
#include <tss2/tss2_mu.h>

#include "base/check.h"
#include "base/cursor.h"
#include "disk/epoch.h"

enum {
    BLOB_VERSION =
        3, /* 1 was an object below the storage root key, 2 did not bind the volume key */
    TICKET_VERSION = 1,
    MAGIC_SIZE = 8,
    SUM_SIZE = 32,
    HALF = SEAL_POINT_SIZE / 2,
    MESSAGE_MAX = 1024,
    TICKET_VALUE_MAX = 64 /* SHA-512, the longest of a TPM's own hashes */
};

#define BLOB_MAGIC   "brochtpm"
#define TICKET_MAGIC "brochtkt"

_Static_assert(MAGIC_SIZE + 3 + sizeof(struct seal_parts) + SUM_SIZE <= SEAL_BLOB_MAX,
               "a blob holds its parts");
_Static_assert(MAGIC_SIZE + 4 + TICKET_VALUE_MAX <= SEAL_TICKET_MAX, "a ticket holds its value");

struct message {
    size_t size;
    uint8_t bytes[MESSAGE_MAX];
};

static void add(struct message *m, const void *bytes, size_t size)
{
    CHECK(size <= sizeof(m->bytes) - m->size);
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
}

static void add_number(struct message *m, uint32_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        add(m, &(uint8_t){ (uint8_t)(value >> (8 * i)) }, 1);
}

static void hash(const void *bytes, size_t size, uint8_t ret[static SUM_SIZE])
{
    CHECK(EVP_Digest(bytes, size, ret, NULL, EVP_sha256(), NULL) == 1);
}

void seal_blob_encode(const struct seal_parts *parts, struct seal_blob *ret)
{
    struct message m = { .size = 0 };
    uint8_t sum[SUM_SIZE];

    CHECK(parts->place < SEAL_PLACES);
    add(&m, BLOB_MAGIC, MAGIC_SIZE);
    add_number(&m, BLOB_VERSION, 2);
    add_number(&m, parts->place, 1);
    add(&m, parts->pcr7, sizeof(parts->pcr7));
    add(&m, parts->key_name, sizeof(parts->key_name));
    add(&m, parts->point, sizeof(parts->point));
    hash(m.bytes, m.size, sum);
    add(&m, sum, sizeof(sum));
    ret->size = m.size;
    memcpy(ret->bytes, m.bytes, m.size);
}

/* What both formats start with. */
static bool starts_with(struct cursor *c, const char *magic, uint16_t version)
{
    const uint8_t *found = cursor_take(c, MAGIC_SIZE);

    return found && memcmp(found, magic, MAGIC_SIZE) == 0 && cursor_be16(c) == version;
}

int seal_blob_decode(const struct seal_blob *blob, struct seal_parts *ret)
{
    struct seal_parts parts = { .place = 0 };
    uint8_t sum[SUM_SIZE], expected[SUM_SIZE];
    struct cursor c = cursor_make(blob->bytes, blob->size);
    size_t summed;

    if (blob->size > SEAL_BLOB_MAX || !starts_with(&c, BLOB_MAGIC, BLOB_VERSION))
        return -EBADMSG;
    cursor_copy(&c, &parts.place, sizeof(parts.place));
    cursor_copy(&c, parts.pcr7, sizeof(parts.pcr7));
    cursor_copy(&c, parts.key_name, sizeof(parts.key_name));
    cursor_copy(&c, parts.point, sizeof(parts.point));
    summed = c.offset;
    cursor_copy(&c, sum, sizeof(sum));
    if (!cursor_finished(&c) || parts.place >= SEAL_PLACES)
        return -EBADMSG;
    hash(blob->bytes, summed, expected);
    if (memcmp(sum, expected, SUM_SIZE) != 0)
        return -EBADMSG;
    *ret = parts;
    return 0;
}

void seal_ticket_encode(const TPMT_TK_VERIFIED *ticket, struct seal_ticket *ret)
{
    struct message m = { .size = 0 };

    CHECK(ticket->digest.size <= TICKET_VALUE_MAX);
    add(&m, TICKET_MAGIC, MAGIC_SIZE);
    add_number(&m, TICKET_VERSION, 2);
    add_number(&m, ticket->digest.size, 2);
    add(&m, ticket->digest.buffer, ticket->digest.size);
    ret->size = m.size;
    memcpy(ret->bytes, m.bytes, m.size);
}

int seal_ticket_decode(const struct seal_ticket *ticket, TPMT_TK_VERIFIED *ret)
{
    TPMT_TK_VERIFIED decoded = { .tag = TPM2_ST_VERIFIED, .hierarchy = TPM2_RH_OWNER };
    struct cursor c = cursor_make(ticket->bytes, ticket->size);

    if (ticket->size > SEAL_TICKET_MAX || !starts_with(&c, TICKET_MAGIC, TICKET_VERSION))
        return -EBADMSG;
    decoded.digest.size = cursor_be16(&c);
    if (decoded.digest.size == 0 || decoded.digest.size > TICKET_VALUE_MAX)
        return -EBADMSG;
    cursor_copy(&c, decoded.digest.buffer, decoded.digest.size);
    if (!cursor_finished(&c))
        return -EBADMSG;
    *ret = decoded;
    return 0;
}

/* TCG TPM v2.0 Provisioning Guidance, 7.5.1, with the ECC P-256 profile of the EK templates. */
TPM2B_PUBLIC seal_srk_public(const uint8_t *point)
{
    static const uint8_t zeros[SEAL_POINT_SIZE];
    TPM2B_PUBLIC key = {
        .publicArea = {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
            .parameters.eccDetail = {
                .symmetric = { .algorithm = TPM2_ALG_AES,
                               .keyBits.aes = 128,
                               .mode.aes = TPM2_ALG_CFB },
                .scheme.scheme = TPM2_ALG_NULL,
                .curveID = TPM2_ECC_NIST_P256,
                .kdf.scheme = TPM2_ALG_NULL,
            },
            .unique.ecc = { .x.size = HALF, .y.size = HALF },
        },
    };

    memcpy(key.publicArea.unique.ecc.x.buffer, point ? point : zeros, HALF);
    memcpy(key.publicArea.unique.ecc.y.buffer, point ? point + HALF : zeros, HALF);
    return key;
}

static struct message public_bytes(const TPM2B_PUBLIC *area)
{
    struct message m = { .size = 0 };

    CHECK(Tss2_MU_TPMT_PUBLIC_Marshal(&area->publicArea, m.bytes, sizeof(m.bytes), &m.size) ==
          TSS2_RC_SUCCESS);
    return m;
}

bool seal_srk_fits(const TPM2B_PUBLIC *key, uint8_t ret_point[static SEAL_POINT_SIZE])
{
    const TPMS_ECC_POINT *unique = &key->publicArea.unique.ecc;
    uint8_t point[SEAL_POINT_SIZE];
    struct message have, wanted;
    TPM2B_PUBLIC form;

    if (key->publicArea.type != TPM2_ALG_ECC || unique->x.size != HALF || unique->y.size != HALF)
        return false;
    memcpy(point, unique->x.buffer, HALF);
    memcpy(point + HALF, unique->y.buffer, HALF);
    form = seal_srk_public(point);
    wanted = public_bytes(&form);
    have = public_bytes(key);
    if (have.size != wanted.size || memcmp(have.bytes, wanted.bytes, have.size) != 0)
        return false;
    memcpy(ret_point, point, sizeof(point));
    return true;
}

TPM2B_PUBLIC seal_key_public(const struct seal_policy *policy)
{
    TPM2B_PUBLIC key = {
        .publicArea = {
            .type = TPM2_ALG_RSA,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH,
            .parameters.rsaDetail = {
                .symmetric.algorithm = TPM2_ALG_NULL,
                .scheme.scheme = TPM2_ALG_NULL,
                .keyBits = 8 * PCRSIG_MODULUS_SIZE,
                .exponent = 0, /* 65537 */
            },
            .unique.rsa.size = PCRSIG_MODULUS_SIZE,
        },
    };

    memcpy(key.publicArea.unique.rsa.buffer, policy->modulus, PCRSIG_MODULUS_SIZE);
    return key;
}

TPM2B_NV_PUBLIC seal_epoch_public(void)
{
    return (TPM2B_NV_PUBLIC){
        .nvPublic = { .nvIndex = EPOCH_INDEX,
                      .nameAlg = TPM2_ALG_SHA256,
                      .attributes = EPOCH_ATTRIBUTES,
                      .dataSize = EPOCH_SIZE },
    };
}

static TPM2B_NAME make_name(const struct message *area)
{
    TPM2B_NAME name = { .size = 2 + SUM_SIZE };

    name.name[0] = TPM2_ALG_SHA256 >> 8;
    name.name[1] = TPM2_ALG_SHA256 & 0xff;
    hash(area->bytes, area->size, name.name + 2);
    return name;
}

TPM2B_NAME seal_public_name(const TPM2B_PUBLIC *area)
{
    const struct message m = public_bytes(area);

    return make_name(&m);
}

TPM2B_NAME seal_index_name(const TPM2B_NV_PUBLIC *area)
{
    struct message m = { .size = 0 };

    CHECK(Tss2_MU_TPMS_NV_PUBLIC_Marshal(&area->nvPublic, m.bytes, sizeof(m.bytes), &m.size) ==
          TSS2_RC_SUCCESS);
    return make_name(&m);
}

TPML_PCR_SELECTION seal_pcr_selection(uint32_t mask)
{
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = { { .hash = TPM2_ALG_SHA256,
                             .sizeofSelect = 3,
                             .pcrSelect = { (BYTE)mask, (BYTE)(mask >> 8), (BYTE)(mask >> 16) } } },
    };
}

/* TPM 2.0 Part 3, 23.16 (PolicyAuthorize): the session starts again from zeros; then the key's name
 * and, in a hash of its own, the policyRef, which is empty. */
static void policy_authorize(const uint8_t key_name[static PCRSIG_DIGEST_SIZE],
                             uint8_t ret[static SUM_SIZE])
{
    static const uint8_t zeros[SUM_SIZE];
    struct message m = { .size = 0 };

    add(&m, zeros, sizeof(zeros));
    add_number(&m, TPM2_CC_PolicyAuthorize, 4);
    add_number(&m, TPM2_ALG_SHA256, 2);
    add(&m, key_name, PCRSIG_DIGEST_SIZE);
    hash(m.bytes, m.size, ret);
    hash(ret, SUM_SIZE, ret);
}

/* Part 3, 23.7 (PolicyPCR): the selection, and the hash of the values in ascending order. */
static void policy_pcr(uint8_t policy[static SUM_SIZE], const uint8_t pcr7[static SEAL_PCR_SIZE])
{
    uint8_t values[2 * SEAL_PCR_SIZE] = { 0 }, sum[SUM_SIZE]; /* PCR 12 stays zero */
    const TPML_PCR_SELECTION selection = seal_pcr_selection(1u << 7 | 1u << 12);
    struct message m = { .size = 0 };

    memcpy(values, pcr7, SEAL_PCR_SIZE);
    hash(values, sizeof(values), sum);
    add(&m, policy, SUM_SIZE);
    add_number(&m, TPM2_CC_PolicyPCR, 4);
    CHECK(Tss2_MU_TPML_PCR_SELECTION_Marshal(&selection, m.bytes, sizeof(m.bytes), &m.size) ==
          TSS2_RC_SUCCESS);
    add(&m, sum, sizeof(sum));
    hash(m.bytes, m.size, policy);
}

TPM2B_NV_PUBLIC seal_place_public(const struct seal_parts *parts)
{
    TPM2B_NV_PUBLIC area = {
        .nvPublic = { .nvIndex = SEAL_PLACE_INDEX + parts->place,
                      .nameAlg = TPM2_ALG_SHA256,
                      .attributes = SEAL_PLACE_ATTRIBUTES,
                      .authPolicy.size = SUM_SIZE,
                      .dataSize = SEAL_CONTENT_SIZE },
    };

    policy_authorize(parts->key_name, area.nvPublic.authPolicy.buffer);
    policy_pcr(area.nvPublic.authPolicy.buffer, parts->pcr7);
    return area;
}
