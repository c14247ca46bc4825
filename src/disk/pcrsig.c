#include "disk/pcrsig.h"

#include <errno.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/hex.h"
#include "disk/epoch.h"
#include "disk/json_reader.h"

enum {
    PCR = 11,
    EXPONENT = 65537,
    DIGITS_MAX = 2 * PCRSIG_DIGEST_SIZE,
    SIGNATURE_TEXT_SIZE = 344 /* base64 of 256 bytes */
};

/* What the one entry must have, each once. */
enum { HAS_PCRS = 1, HAS_PKFP = 2, HAS_POL = 4, HAS_SIG = 8, HAS_EPOCH = 16, HAS_NV = 32 };
enum { HAS_ALL = 63 };

/* The one element of a list, or -EBADMSG. */
static int only_element(const struct json_reader *value, struct json_reader *ret)
{
    struct json_reader list, more;
    int r = json_reader_list(value, &list);

    if (r == 0 && json_reader_element(&list, ret) != 1)
        r = -EBADMSG;
    if (r == 0 && json_reader_element(&list, &more) != 0)
        r = -EBADMSG;
    return r;
}

static int read_pcrs(const struct json_reader *value, struct seal_policy *policy)
{
    struct json_reader element;
    uint64_t pcr;
    int r = only_element(value, &element);

    (void)policy;
    if (r == 0)
        r = json_reader_number(&element, PCR, &pcr);
    return r == 0 && pcr != PCR ? -EBADMSG : r;
}

static int read_digest(const struct json_reader *value, uint8_t *ret)
{
    struct json_text text;
    int r = json_reader_text(value, &text);

    return r == 0 ? hex_decode(text.text, text.size, ret, PCRSIG_DIGEST_SIZE) : r;
}

static int read_pkfp(const struct json_reader *value, struct seal_policy *policy)
{
    return read_digest(value, policy->fingerprint);
}

static int read_pol(const struct json_reader *value, struct seal_policy *policy)
{
    return read_digest(value, policy->approved);
}

static int read_sig(const struct json_reader *value, struct seal_policy *policy)
{
    uint8_t encoded[SIGNATURE_TEXT_SIZE + 1], decoded[SIGNATURE_TEXT_SIZE];
    int r;
    struct json_text text;

    r = json_reader_text(value, &text);
    if (r == 0)
        r = json_text_copy(&text, (char *)encoded, sizeof(encoded));
    if (r < 0 || strlen((char *)encoded) != SIGNATURE_TEXT_SIZE)
        return -EBADMSG;
    /* 344 characters are 258 bytes, of which two are padding. */
    if (memcmp(encoded + SIGNATURE_TEXT_SIZE - 2, "==", 2) != 0 ||
        EVP_DecodeBlock(decoded, encoded, SIGNATURE_TEXT_SIZE) != PCRSIG_MODULUS_SIZE + 2)
        return -EBADMSG;
    memcpy(policy->signature, decoded, PCRSIG_MODULUS_SIZE);
    return 0;
}

static int read_epoch(const struct json_reader *value, struct seal_policy *policy)
{
    return json_reader_number(value, INT64_MAX, &policy->epoch);
}

static int read_nv(const struct json_reader *value, struct seal_policy *policy)
{
    struct json_text text;
    int r = json_reader_text(value, &text);

    (void)policy;
    _Static_assert(EPOCH_INDEX == 0x01800100u, "as written here");
    return r == 0 && !json_text_is(&text, "0x01800100") ? -EBADMSG : r;
}

static const struct {
    const char *key;
    unsigned has;
    int (*read)(const struct json_reader *value, struct seal_policy *policy);
} members[] = {
    { "pcrs", HAS_PCRS, read_pcrs },    { "pkfp", HAS_PKFP, read_pkfp },
    { "pol", HAS_POL, read_pol },       { "sig", HAS_SIG, read_sig },
    { "epoch", HAS_EPOCH, read_epoch }, { "nv", HAS_NV, read_nv },
};

static int read_member(const struct json_text *key, const struct json_reader *value, unsigned *has,
                       struct seal_policy *policy)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        if (!json_text_is(key, members[i].key))
            continue;
        if (*has & members[i].has)
            return -EBADMSG;
        *has |= members[i].has;
        return members[i].read(value, policy);
    }
    return -EBADMSG;
}

static int read_entry(const struct json_reader *value, struct seal_policy *policy)
{
    struct json_reader object, member;
    struct json_text key;
    unsigned has = 0;
    int r = json_reader_object(value, &object);

    while (r == 0 && (r = json_reader_member(&object, &key, &member)) > 0)
        r = read_member(&key, &member, &has, policy);
    return r == 0 && has != HAS_ALL ? -EBADMSG : r;
}

static int read_json(const void *json, size_t size, struct seal_policy *policy)
{
    const struct json_reader whole = json_reader_make(json, size);
    struct json_reader object, banks, entry, more;
    struct json_text key;
    int r = json_reader_object(&whole, &object);

    if (r == 0 && (json_reader_member(&object, &key, &banks) != 1 || !json_text_is(&key, "sha256")))
        r = -EBADMSG;
    if (r == 0)
        r = only_element(&banks, &entry);
    if (r == 0)
        r = read_entry(&entry, policy);
    if (r == 0 && json_reader_member(&object, &key, &more) != 0)
        r = -EBADMSG;
    return r;
}

/* Takes the modulus, and compares the fingerprint with the one that the JSON names. */
static int take_key(const EVP_PKEY *key, struct seal_policy *policy)
{
    uint8_t fingerprint[PCRSIG_DIGEST_SIZE], *der = NULL;
    BIGNUM *modulus = NULL, *exponent = NULL;
    int r = -EBADMSG, size = i2d_PUBKEY(key, &der);

    if (size > 0 && EVP_Digest(der, (size_t)size, fingerprint, NULL, EVP_sha256(), NULL) == 1 &&
        memcmp(fingerprint, policy->fingerprint, PCRSIG_DIGEST_SIZE) == 0 &&
        EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 8 * PCRSIG_MODULUS_SIZE &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
        BN_is_word(exponent, EXPONENT) &&
        BN_bn2binpad(modulus, policy->modulus, PCRSIG_MODULUS_SIZE) == PCRSIG_MODULUS_SIZE)
        r = 0;
    BN_free(modulus);
    BN_free(exponent);
    OPENSSL_free(der);
    return r;
}

static int read_pem(const void *pem, size_t size, struct seal_policy *policy)
{
    BIO *memory = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = memory ? PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL) : NULL;
    const int r = key ? take_key(key, policy) : -EBADMSG;

    EVP_PKEY_free(key);
    BIO_free(memory);
    return r;
}

int pcrsig_parse(const void *json, size_t json_size, const void *pem, size_t pem_size,
                 struct seal_policy *ret, struct failure *f)
{
    struct seal_policy policy = { .epoch = 0 };
    int r;

    if (json_size > PCRSIG_SIZE_MAX || pem_size > PCRSIG_SIZE_MAX)
        return failure_set(f, CODE_UNSEAL_POLICY, -ERANGE, "the TPM policy is too large");
    r = read_json(json, json_size, &policy);
    if (r < 0)
        return failure_set(f, CODE_UNSEAL_POLICY, -EBADMSG, "the signature of PCR 11 is malformed");
    r = read_pem(pem, pem_size, &policy);
    if (r < 0)
        return failure_set(f, CODE_UNSEAL_POLICY, r,
                           "the PCR-policy key is not the RSA-2048 key that the signature names");
    *ret = policy;
    return 0;
}
