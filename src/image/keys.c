#include "image/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/minisign.h"
#include "sys/file.h"

enum {
    RSA_BITS_FIRMWARE = 2048, /* what every UEFI implementation must take (UEFI 2.10, 32.5.1) */
    RSA_BITS_MODULE = 4096,
    VALID_DAYS = 25 * 365, /* firmware ignores the dates; tools do not */
    KEY_FILE_MAX = 64 * 1024,
    SERIAL_BYTES = 16,
    SECONDS_A_DAY = 86400,
};

struct pair {
    const char *name;
    int bits;
    const char *subject; /* NULL: no certificate, a public key file instead */
};

static const struct pair pairs[] = {
    { "PK", RSA_BITS_FIRMWARE, "Broch platform key" },
    { "KEK", RSA_BITS_FIRMWARE, "Broch key exchange key" },
    { "db", RSA_BITS_FIRMWARE, "Broch image key" },
    { "pcr", RSA_BITS_FIRMWARE, NULL },
    { "module", RSA_BITS_MODULE, "Broch module key" },
};

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static int library_failure(struct failure *f, const char *what)
{
    char reason[160] = "";

    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    return failure_set(f, CODE_KEYS_BAD, -EBADMSG, "%s: %s", what, reason);
}

void keys_done(struct keys *keys)
{
    free(keys->folder);
    *keys = (struct keys)KEYS_INIT;
}

static FILE *open_new(const char *folder, const char *name, const char *ending, mode_t mode,
                      struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s.%s", folder, name, ending);
    FILE *file = NULL;
    int fd;

    if (!path)
        return NULL;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0)
        file = fdopen(fd, "we");
    if (!file) {
        (void)file_failure(f, errno, "write", path);
        cleanup_close_(&fd);
    }
    return file;
}

static int close_written(FILE *file, bool written, struct failure *f)
{
    bool synced = fflush(file) == 0 && fsync(fileno(file)) == 0;

    if (fclose(file) != 0 || !synced || !written)
        return failure_set(f, CODE_IO, -EIO, "cannot write a key");
    return 0;
}

static bool set_extensions(X509 *certificate)
{
    static const struct {
        int nid;
        const char *value;
    } wanted[] = { { NID_basic_constraints, "critical,CA:FALSE" },
                   { NID_key_usage, "critical,digitalSignature" },
                   { NID_subject_key_identifier, "hash" } };
    X509V3_CTX context;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, &context, wanted[i].nid, wanted[i].value);
        bool added = extension && X509_add_ext(certificate, extension, -1) == 1;

        X509_EXTENSION_free(extension);
        if (!added)
            return false;
    }
    return true;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number;
    bool set;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f; /* a serial number is positive (RFC 5280, 4.1.2.2) */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

static X509 *make_certificate(EVP_PKEY *key, const char *subject, uint64_t now)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    time_t start = (time_t)(now > SECONDS_A_DAY ? now - SECONDS_A_DAY : 0);

    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) &&
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, &start) &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0, &start) &&
        X509_set_pubkey(certificate, key) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(certificate, name) == 1 && set_extensions(certificate) &&
        X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int write_public(const char *folder, const struct pair *pair, EVP_PKEY *key, uint64_t now,
                        struct failure *f)
{
    _cleanup_(free_certificate) X509 *certificate = NULL;
    FILE *file;
    bool written;

    if (pair->subject) {
        certificate = make_certificate(key, pair->subject, now);
        if (!certificate)
            return library_failure(f, "cannot make a certificate");
    }
    file = open_new(folder, pair->name, pair->subject ? "crt" : "pub", 0644, f);
    if (!file)
        return f->cause ? f->cause : -ENOMEM;
    written =
        certificate ? PEM_write_X509(file, certificate) == 1 : PEM_write_PUBKEY(file, key) == 1;
    return close_written(file, written, f);
}

static int make_pair(const char *folder, const struct pair *pair, uint64_t now, struct failure *f)
{
    _cleanup_(free_key) EVP_PKEY *key = EVP_RSA_gen((unsigned)pair->bits);
    FILE *file;
    int r;

    if (!key)
        return library_failure(f, "cannot make a key");
    file = open_new(folder, pair->name, "key", 0600, f);
    if (!file)
        return f->cause ? f->cause : -ENOMEM;
    r = close_written(file, PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
                      f);
    return r < 0 ? r : write_public(folder, pair, key, now, f);
}

static int write_small(const char *folder, const char *name, const char *content, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", folder, name);

    return path ? file_write(path, content, strlen(content), 0644, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* A random UUID (RFC 9562, version 4) in lower case. */
static int write_owner(const char *folder, struct failure *f)
{
    unsigned char b[16];
    char text[40];

    if (RAND_bytes(b, sizeof(b)) != 1)
        return library_failure(f, "no random numbers");
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(text, sizeof(text),
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
    return write_small(folder, "owner.guid", text, f);
}

static int fill_folder(const char *folder, bool development, uint64_t now, struct failure *f)
{
    _cleanup_free_ char *private = text_make("%s/release.key", folder);
    _cleanup_free_ char *public = text_make("%s/release.pub", folder);
    int r = private && public ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pairs); i++)
        r = make_pair(folder, &pairs[i], now, f);
    if (r == 0)
        r = minisign_make_keys(private, public, f);
    if (r == 0)
        r = write_owner(folder, f);
    if (r == 0 && development)
        r = write_small(folder, "development", "", f);
    return r;
}

int keys_init(const char *folder, bool development, uint64_t now, struct failure *f)
{
    _cleanup_free_ char *work = text_make("%s.new.XXXXXX", folder);
    struct failure ignored = FAILURE_NONE;
    int r;

    if (!work)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (file_exists(folder))
        return failure_set(f, CODE_KEYS_EXIST, -EEXIST, "'%s'", folder);
    r = file_make_parent(folder, f);
    if (r < 0)
        return r;
    if (!mkdtemp(work)) /* mode 0700 */
        return file_failure(f, errno, "make", work);
    r = fill_folder(work, development, now, f);
    /* rename() of a folder over another one that is empty succeeds; over anything else it fails. */
    if (r == 0 && rename(work, folder) < 0)
        r = failure_set(f, CODE_KEYS_EXIST, -errno, "'%s'", folder);
    if (r < 0)
        (void)!file_remove_tree(work, &ignored);
    return r;
}

static int check_mode(const char *path, struct failure *f)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return failure_set(f, CODE_KEYS_BAD, -errno, "'%s'", path);
    if (status.st_mode & 077)
        return failure_set(f, CODE_KEYS_OPEN, -EPERM, "'%s' has mode %03o", path,
                           (unsigned)(status.st_mode & 0777));
    return 0;
}

static EVP_PKEY *read_private(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    cleanup_fclose_(&file);
    return key;
}

static EVP_PKEY *read_public(const struct pair *pair, const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate;
    EVP_PKEY *key = NULL;

    if (!file)
        return NULL;
    if (!pair->subject) {
        key = PEM_read_PUBKEY(file, NULL, NULL, NULL);
    } else {
        certificate = PEM_read_X509(file, NULL, NULL, NULL);
        key = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    (void)fclose(file); /* read only */
    return key;
}

static int check_pair(const char *folder, const struct pair *pair, struct text *digests,
                      struct failure *f)
{
    _cleanup_free_ char *private_path = text_make("%s/%s.key", folder, pair->name);
    _cleanup_free_ char *public_path =
        text_make("%s/%s.%s", folder, pair->name, pair->subject ? "crt" : "pub");
    _cleanup_(free_key) EVP_PKEY *private = NULL, *public = NULL;
    char digits[DIGEST_TEXT_SIZE];
    struct digest digest;
    int r;

    if (!private_path || !public_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = check_mode(private_path, f);
    if (r < 0)
        return r;
    private = read_private(private_path);
    public = read_public(pair, public_path);
    if (!private || !public)
        return library_failure(f, private ? public_path : private_path);
    if (EVP_PKEY_eq(private, public) != 1)
        return failure_set(f, CODE_KEYS_BAD, -EBADMSG, "'%s' does not belong to '%s'", public_path,
                           private_path);
    r = digest_file(public_path, &digest, f);
    text_addf(digests, "%s %s\n", pair->name, digest_text(&digest, digits));
    return r;
}

/* The pair must sign and verify. */
static int check_release(const char *folder, struct text *digests, struct failure *f)
{
    _cleanup_free_ char *private_path = text_make("%s/release.key", folder);
    _cleanup_free_ char *public_path = text_make("%s/release.pub", folder), *signature = NULL;
    _cleanup_free_ uint8_t *public = NULL;
    char comment[MINISIGN_COMMENT_MAX];
    size_t size;
    int r;

    if (!private_path || !public_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = check_mode(private_path, f);
    if (r == 0)
        r = file_read(public_path, MINISIGN_FILE_MAX, &public, &size, f);
    if (r == 0)
        r = minisign_sign(private_path, "", 0, "", &signature, f);
    if (r == 0)
        r = minisign_verify("", 0, signature, (const char *)public, comment, f);
    if (r < 0)
        return failure_set(f, f->code == CODE_KEYS_OPEN ? CODE_KEYS_OPEN : CODE_KEYS_BAD, r,
                           "the release key in '%s' is missing, readable by others or damaged",
                           folder);
    text_add_bytes(digests, public, size);
    return 0;
}

int keys_open(const char *folder, struct keys *ret, struct failure *f)
{
    _cleanup_text_ struct text digests = TEXT_INIT;
    _cleanup_free_ char *path = realpath(folder, NULL), *mark = NULL;
    int r = 0;

    if (!path)
        return failure_set(f, CODE_KEYS_BAD, -errno, "there is no folder of keys at '%s'", folder);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pairs); i++)
        r = check_pair(path, &pairs[i], &digests, f);
    if (r == 0)
        r = check_release(path, &digests, f);
    if (r < 0)
        return r;
    mark = text_make("%s/development", path);
    if (!mark || text_status(&digests) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    ret->development = file_exists(mark);
    ret->digest = digest_bytes(text_string(&digests), digests.length);
    ret->folder = take_ptr(path);
    return 0;
}

int keys_development(uint64_t now, char **ret_path, struct failure *f)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    _cleanup_free_ char *path = NULL;
    int r;

    path = data && data[0] == '/'
               ? text_make("%s/broch/development-keys", data)
               : text_make("%s/.local/share/broch/development-keys", home ? home : "/tmp");
    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (!file_exists(path)) {
        r = keys_init(path, true, now, f);
        if (r < 0 && f->code != CODE_KEYS_EXIST)
            return r; /* another build may have made them meanwhile */
    }
    *ret_path = take_ptr(path);
    return 0;
}

static EVP_PKEY *read_pcr_key(const struct keys *keys)
{
    _cleanup_free_ char *path = text_make("%s/pcr.key", keys->folder);

    return path ? read_private(path) : NULL;
}

int keys_sign_pcr(const struct keys *keys, const void *bytes, size_t size, uint8_t **ret_signature,
                  size_t *ret_size, struct failure *f)
{
    _cleanup_(free_key) EVP_PKEY *key = read_pcr_key(keys);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t *signature = NULL;
    size_t length = 0;
    bool signed_ =
        key && context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, NULL, &length, bytes, size) == 1 && (signature = malloc(length)) &&
        EVP_DigestSign(context, signature, &length, bytes, size) == 1;

    EVP_MD_CTX_free(context);
    if (!signed_) {
        free(signature);
        return library_failure(f, "cannot sign with the PCR-policy key");
    }
    *ret_signature = signature;
    *ret_size = length;
    return 0;
}

int keys_pcr_fingerprint(const struct keys *keys, struct digest *ret, struct failure *f)
{
    _cleanup_(free_key) EVP_PKEY *key = read_pcr_key(keys);
    unsigned char *encoded = NULL;
    int length = key ? i2d_PUBKEY(key, &encoded) : -1;

    if (length <= 0)
        return library_failure(f, "cannot read the PCR-policy key");
    *ret = digest_bytes(encoded, (size_t)length);
    OPENSSL_free(encoded);
    return 0;
}
