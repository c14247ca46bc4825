#include "image/key_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "sys/file.h"
#include "trust/boot_signature.h"
#include "trust/signature_list.h"

enum { BOOT_FILE_MAX = 64 << 20, HEADER_SIZE = 40, LENGTH_AT = 16, HEADER_COUNTED = 24 };

/* Time as UEFI has it, then WIN_CERTIFICATE_UEFI_GUID up to its data; the length comes later. */
static const uint8_t header_tail[HEADER_COUNTED] = {
    0,    0,    0,    0,    0x00, 0x02, 0xf1, 0x0e, 0x9d, 0xd2, 0xaf, 0x4a,
    0xdf, 0x68, 0xee, 0x49, 0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7
};

/* --- What is added --- */

/* One list with one signature. */
struct content {
    uint8_t *bytes; /* allocated */
    size_t size;
};

static int write_list(enum signature_kind kind, const struct keys *keys, const void *data,
                      size_t size, struct content *ret, struct failure *f)
{
    uint8_t owner[KEYS_OWNER_SIZE];
    int r = keys_read_owner(keys, owner, f);

    if (r < 0)
        return r;
    ret->size = SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size;
    ret->bytes = malloc(ret->size);
    if (!ret->bytes)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    signature_list_write(kind, owner, data, size, ret->bytes);
    return 0;
}

static int write_certificate(X509 *certificate, const struct keys *keys, struct content *ret,
                             struct failure *f)
{
    unsigned char *der = NULL;
    int size = i2d_X509(certificate, &der), r;

    r = size > 0 ? write_list(SIGNATURE_CERTIFICATE, keys, der, (size_t)size, ret, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    OPENSSL_free(der);
    return r;
}

static int write_boot_file(const char *path, const struct keys *keys, struct content *ret,
                           struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_boot_signature_ struct boot_signature *signature = NULL;
    size_t size;
    int r = file_read(path, BOOT_FILE_MAX, &bytes, &size, f);

    if (r == 0)
        r = boot_signature_read(bytes, size, &signature, f);
    return r < 0 ? r
                 : write_list(SIGNATURE_IMAGE_HASH, keys, boot_signature_hash(signature),
                              SIGNATURE_HASH_SIZE, ret, f);
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    cleanup_fclose_(&file);
    return certificate;
}

static int write_hash(const struct key_addition *a, const struct keys *keys, struct content *ret,
                      struct failure *f)
{
    uint8_t hash[SIGNATURE_HASH_SIZE];

    if (a->variable == KEY_VARIABLE_KEK)
        return failure_set(f, CODE_USAGE, -EINVAL, "KEK takes certificates only");
    if (hex_decode(a->what, strlen(a->what), hash, sizeof(hash)) == 0)
        return write_list(SIGNATURE_IMAGE_HASH, keys, hash, sizeof(hash), ret, f);
    return write_boot_file(a->what, keys, ret, f);
}

static int write_content(const struct key_addition *a, const struct keys *keys, struct content *ret,
                         struct failure *f)
{
    X509 *certificate = read_certificate(a->what);
    int r =
        certificate ? write_certificate(certificate, keys, ret, f) : write_hash(a, keys, ret, f);

    X509_free(certificate);
    return r;
}

/* --- Its signature --- */

static int write_time(uint64_t now, uint8_t ret[static KEY_CHANGE_TIME_SIZE], struct failure *f)
{
    const time_t seconds = (time_t)now;
    struct tm t;

    if (!gmtime_r(&seconds, &t))
        return failure_set(f, CODE_INTERNAL, -ERANGE, "the clock is out of range");
    memset(ret, 0, KEY_CHANGE_TIME_SIZE);
    ret[0] = (uint8_t)((t.tm_year + 1900) & 0xff);
    ret[1] = (uint8_t)((t.tm_year + 1900) >> 8);
    ret[2] = (uint8_t)(t.tm_mon + 1);
    ret[3] = (uint8_t)t.tm_mday;
    ret[4] = (uint8_t)t.tm_hour;
    ret[5] = (uint8_t)t.tm_min;
    ret[6] = (uint8_t)t.tm_sec;
    return 0;
}

/* SignedData alone, without attributes and without the certificate's chain (UEFI 2.10, 8.2.2). */
static int sign(EVP_PKEY *key, X509 *certificate, const uint8_t *message, size_t size,
                unsigned char **ret)
{
    const int flags = PKCS7_DETACHED | PKCS7_BINARY | PKCS7_NOATTR | PKCS7_PARTIAL;
    BIO *in = BIO_new_mem_buf(message, (int)size);
    PKCS7 *p7 = in ? PKCS7_sign(NULL, NULL, NULL, NULL, flags) : NULL;
    int length = -1;

    if (p7 && PKCS7_sign_add_signer(p7, certificate, key, EVP_sha256(), flags) &&
        PKCS7_final(p7, in, flags) == 1)
        length = i2d_PKCS7_SIGNED(p7->d.sign, ret);
    PKCS7_free(p7);
    BIO_free(in);
    return length;
}

/* The file: time, certificate, content. */
static int join(const struct key_change *change, const unsigned char *der, int length,
                uint8_t **ret, size_t *ret_size, struct failure *f)
{
    const size_t size = HEADER_SIZE + (size_t)length + change->size;
    uint8_t *bytes = malloc(size);

    if (!bytes)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    memcpy(bytes, change->time, KEY_CHANGE_TIME_SIZE);
    memcpy(bytes + LENGTH_AT, header_tail, HEADER_COUNTED);
    for (unsigned i = 0; i < 4; i++)
        bytes[LENGTH_AT + i] = (uint8_t)((size_t)(HEADER_COUNTED + length) >> (8 * i));
    memcpy(bytes + HEADER_SIZE, der, (size_t)length);
    memcpy(bytes + HEADER_SIZE + length, change->content, change->size);
    *ret = bytes;
    *ret_size = size;
    return 0;
}

static int sign_change(const struct keys *keys, enum key_variable variable,
                       const struct key_change *change, uint8_t **ret, size_t *ret_size,
                       struct failure *f)
{
    const struct key_target target = { .variable = variable, .append = true };
    const char *signer = variable == KEY_VARIABLE_KEK ? "PK" : "KEK";
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    unsigned char *der = NULL;
    size_t size;
    _cleanup_free_ uint8_t *message = key_change_message(target, change, &size);
    int length = -1;
    int r = message ? keys_read_pair(keys, signer, &key, &certificate, f)
                    : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r == 0)
        length = sign(key, certificate, message, size, &der);
    if (r == 0)
        r = length > 0 ? join(change, der, length, ret, ret_size, f)
                       : failure_set(f, CODE_KEYS_BAD, -EBADMSG, "%s.key cannot sign", signer);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return r;
}

int key_change_make(const struct keys *keys, const struct key_addition *addition, uint8_t **ret,
                    size_t *ret_size, struct failure *f)
{
    uint8_t time_bytes[KEY_CHANGE_TIME_SIZE];
    struct content content = { .bytes = NULL };
    struct key_change change;
    int r;

    CHECK(addition->variable != KEY_VARIABLE_PK);
    r = write_content(addition, keys, &content, f);
    if (r == 0)
        r = write_time(addition->now, time_bytes, f);
    if (r == 0) {
        change = (struct key_change){ .time = time_bytes,
                                      .content = content.bytes,
                                      .size = content.size };
        r = sign_change(keys, addition->variable, &change, ret, ret_size, f);
    }
    free(content.bytes);
    return r;
}
