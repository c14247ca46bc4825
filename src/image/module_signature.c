#include "image/module_signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/cleanup.h"

enum {
    MAGIC_LENGTH = sizeof(MODULE_SIGNATURE_MAGIC) - 1,
    /* algo, hash, id_type, signer_len, key_id_len, three bytes of padding, be32 sig_len */
    TRAILER_SIZE = 12,
    TRAILER_ID_TYPE = 2,
    TRAILER_LENGTH = 8,
    PKEY_ID_PKCS7 = 2,
    SIGNATURE_SIZE_MAX = 1 << 16,
};

struct module_signer {
    EVP_PKEY *key;
    X509 *certificate;
};

int module_signature_strip(const uint8_t *bytes, size_t size, size_t *ret_size)
{
    const uint8_t *trailer;
    size_t length;

    if (size < MAGIC_LENGTH ||
        memcmp(bytes + size - MAGIC_LENGTH, MODULE_SIGNATURE_MAGIC, MAGIC_LENGTH) != 0) {
        *ret_size = size;
        return 0;
    }
    size -= MAGIC_LENGTH;
    if (size < TRAILER_SIZE)
        return -EBADMSG;
    trailer = bytes + size - TRAILER_SIZE;
    size -= TRAILER_SIZE;
    length = (size_t)trailer[TRAILER_LENGTH] << 24 | (size_t)trailer[TRAILER_LENGTH + 1] << 16 |
             (size_t)trailer[TRAILER_LENGTH + 2] << 8 | trailer[TRAILER_LENGTH + 3];
    if (trailer[TRAILER_ID_TYPE] != PKEY_ID_PKCS7 || length == 0 || length > size)
        return -EBADMSG;
    *ret_size = size - length;
    return 0;
}

int module_signer_open(const struct keys *keys, struct module_signer **ret, struct failure *f)
{
    struct module_signer *signer = calloc(1, sizeof(*signer));
    int r;

    if (!signer)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = keys_read_pair(keys, "db", &signer->key, &signer->certificate, f);
    if (r < 0) {
        (void)module_signer_free(signer);
        return r;
    }
    *ret = signer;
    return 0;
}

struct module_signer *module_signer_free(struct module_signer *signer)
{
    if (signer) {
        EVP_PKEY_free(signer->key);
        X509_free(signer->certificate);
    }
    free(signer);
    return NULL;
}

/* No attributes: a signing time among them would change the bytes with the clock. No certificate:
 * the kernel finds its own by issuer and serial number. */
static CMS_ContentInfo *make_cms(const struct module_signer *signer, const uint8_t *bytes,
                                 size_t size)
{
    const unsigned flags = CMS_NOCERTS | CMS_PARTIAL | CMS_BINARY | CMS_DETACHED | CMS_STREAM;
    BIO *content = BIO_new_mem_buf(bytes, (int)size);
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    bool made = content && cms &&
                CMS_add1_signer(cms, signer->certificate, signer->key, EVP_sha256(),
                                CMS_NOCERTS | CMS_BINARY | CMS_NOSMIMECAP | CMS_NOATTR) &&
                CMS_final(cms, content, NULL, CMS_NOCERTS | CMS_BINARY) == 1;

    (void)BIO_free(content); /* memory only */
    if (made)
        return cms;
    CMS_ContentInfo_free(cms);
    return NULL;
}

static void add_trailer(struct text *t, size_t length)
{
    uint8_t trailer[TRAILER_SIZE] = { [TRAILER_ID_TYPE] = PKEY_ID_PKCS7 };

    for (size_t i = 0; i < 4; i++)
        trailer[TRAILER_LENGTH + i] = (uint8_t)(length >> (24 - 8 * i));
    text_add_bytes(t, trailer, sizeof(trailer));
    text_add(t, MODULE_SIGNATURE_MAGIC);
}

int module_sign(const struct module_signer *signer, const uint8_t *bytes, size_t size,
                struct text *ret, struct failure *f)
{
    unsigned char *encoded = NULL;
    CMS_ContentInfo *cms;
    int length;

    if (size > INT32_MAX || module_signature_strip(bytes, size, &size) < 0)
        return failure_set(f, CODE_STEP_FAILED, -EBADMSG, "the module's signature is malformed");
    cms = make_cms(signer, bytes, size);
    length = cms ? i2d_CMS_ContentInfo(cms, &encoded) : -1;
    CMS_ContentInfo_free(cms);
    if (length <= 0 || length > SIGNATURE_SIZE_MAX) {
        OPENSSL_free(encoded);
        ERR_clear_error();
        return failure_set(f, CODE_KEYS_BAD, -EBADMSG, "cannot sign a module with db.key");
    }
    text_add_bytes(ret, bytes, size);
    text_add_bytes(ret, encoded, (size_t)length);
    add_trailer(ret, (size_t)length);
    OPENSSL_free(encoded);
    return text_status(ret) == 0 ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}
