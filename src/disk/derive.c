#include "disk/derive.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

/* The library takes pointers to what it only reads. */
struct input {
    const void *bytes;
    size_t size;
};

static void *not_written(const void *bytes)
{
    void *plain;

    memcpy(&plain, &bytes, sizeof(plain));
    return plain;
}

static int hkdf(struct input key, struct input salt, struct input info, struct secret *ret,
                struct failure *f)
{
    static char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, not_written(key.bytes), key.size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, not_written(salt.bytes), salt.size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, not_written(info.bytes), info.size),
        OSSL_PARAM_construct_end(),
    };
    uint8_t output[DERIVE_SIZE];
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int r = -ENOMEM;

    if (context && EVP_KDF_derive(context, output, sizeof(output), parameters) == 1)
        r = secret_set(ret, output, sizeof(output));
    explicit_bzero(output, sizeof(output));
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "HKDF-SHA256 is not to be had") : 0;
}

int derive_passphrase(const uint8_t preboot[static DERIVE_PREBOOT_SIZE],
                      const uint8_t org[static DERIVE_ORG_SIZE], const char *uuid,
                      struct secret *ret, struct failure *f)
{
    static const char purpose[] = "broch persist"; /* with its zero */
    char info[128];
    size_t length = strlen(uuid);

    CHECK(sizeof(purpose) + length <= sizeof(info));
    memcpy(info, purpose, sizeof(purpose));
    memcpy(info + sizeof(purpose), uuid, length);
    return hkdf((struct input){ preboot, DERIVE_PREBOOT_SIZE },
                (struct input){ org, DERIVE_ORG_SIZE },
                (struct input){ info, sizeof(purpose) + length }, ret, f);
}

static int derive_authorization(const struct secret *volume_key, const char *uuid, const char *info,
                                struct secret *ret, struct failure *f)
{
    return hkdf((struct input){ volume_key->bytes, volume_key->size },
                (struct input){ uuid, strlen(uuid) }, (struct input){ info, strlen(info) }, ret, f);
}

int derive_owner(const struct secret *volume_key, const char *uuid, struct secret *ret,
                 struct failure *f)
{
    return derive_authorization(volume_key, uuid, "broch tpm owner", ret, f);
}

int derive_lockout(const struct secret *volume_key, const char *uuid, struct secret *ret,
                   struct failure *f)
{
    return derive_authorization(volume_key, uuid, "broch tpm lockout", ret, f);
}
