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
#include "trust/minisign.h"
#include "sys/boot_entry.h"
#include "sys/file.h"

enum {
    RSA_BITS_FIRMWARE = 2048, /* what every UEFI implementation must take (UEFI 2.10, 32.5.1) */
    RSA_BITS_MODULE = 4096,
    VALID_DAYS = 25 * 365, /* firmware ignores the dates; tools do not */
    KEY_FILE_MAX = 64 * 1024,
    SERIAL_BYTES = 16,
    NAME_MAX_ = 64, /* ub-common-name (RFC 5280, A.1) */
    OWNER_LENGTH = 36,
    SECONDS_A_DAY = 86400,
};

struct pair {
    const char *name;
    int bits;
    const char *subject; /* NULL: no certificate, a public key file instead */
};

#define DEVELOPMENT_TAIL " (development)"

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
    ERR_clear_error(); /* what is left would pass for the reason of the next failure */
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

    if (!path) {
        (void)file_failure(f, ENOMEM, "write", name);
        return NULL;
    }
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

/* What all pairs of one folder share. */
struct pair_order {
    const char *folder;
    bool development;
    uint64_t now;
};

static int write_public(const struct pair_order *order, const struct pair *pair, EVP_PKEY *key,
                        struct failure *f)
{
    _cleanup_(free_certificate) X509 *certificate = NULL;
    char subject[NAME_MAX_];
    FILE *file;
    bool written;

    if (pair->subject) {
        (void)snprintf(subject, sizeof(subject), "%s%s", pair->subject,
                       order->development ? DEVELOPMENT_TAIL : "");
        certificate = make_certificate(key, subject, order->now);
        if (!certificate)
            return library_failure(f, "cannot make a certificate");
    }
    file = open_new(order->folder, pair->name, pair->subject ? "crt" : "pub", 0644, f);
    if (!file)
        return f->cause;
    written =
        certificate ? PEM_write_X509(file, certificate) == 1 : PEM_write_PUBKEY(file, key) == 1;
    return close_written(file, written, f);
}

static int make_pair(const struct pair_order *order, const struct pair *pair, struct failure *f)
{
    _cleanup_(free_key) EVP_PKEY *key = EVP_RSA_gen((unsigned)pair->bits);
    FILE *file;
    int r;

    if (!key)
        return library_failure(f, "cannot make a key");
    file = open_new(order->folder, pair->name, "key", 0600, f);
    if (!file)
        return f->cause;
    r = close_written(file, PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
                      f);
    return r < 0 ? r : write_public(order, pair, key, f);
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
    const struct pair_order order = { .folder = folder, .development = development, .now = now };
    _cleanup_free_ char *private = text_make("%s/release.key", folder);
    _cleanup_free_ char *public = text_make("%s/release.pub", folder);
    int r = private && public ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pairs); i++)
        r = make_pair(&order, &pairs[i], f);
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
        r = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
                ? failure_set(f, CODE_KEYS_EXIST, -errno, "'%s'", folder)
                : file_failure(f, errno, "make", folder);
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

/* A build runs without a person: a key with a password is refused, or the library would ask. */
static int no_password(char *ret, int size, int encrypting, void *context)
{
    (void)ret;
    (void)size;
    (void)encrypting;
    (void)context;
    return -1;
}

static EVP_PKEY *read_private(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, no_password, NULL) : NULL;

    cleanup_fclose_(&file);
    return key;
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, no_password, NULL) : NULL;

    cleanup_fclose_(&file);
    return certificate;
}

static EVP_PKEY *read_public(const struct pair *pair, const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate;
    EVP_PKEY *key = NULL;

    if (!file)
        return NULL;
    if (!pair->subject) {
        key = PEM_read_PUBKEY(file, NULL, no_password, NULL);
    } else {
        certificate = PEM_read_X509(file, NULL, no_password, NULL);
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
    if (!file_exists(public_path))
        return failure_set(f, CODE_KEYS_BAD, -ENOENT, "'%s'", public_path);
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
    if (r < 0 && f->code != CODE_KEYS_OPEN && f->code != CODE_INTERNAL)
        return failure_set(f, CODE_KEYS_BAD, r, "the release key in '%s' is missing or damaged",
                           folder);
    if (r < 0)
        return r;
    text_add_bytes(digests, public, size);
    return 0;
}

/* Everything that publishing copies has to be there before the build begins. */
static int check_owner(const char *folder, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/owner.guid", folder);
    _cleanup_free_ uint8_t *text = NULL;
    size_t size;
    int r = path ? file_read(path, KEY_FILE_MAX, &text, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (!path)
        return r;
    if (r < 0 || size != OWNER_LENGTH + 1 ||
        strspn((const char *)text, "0123456789abcdef-") != OWNER_LENGTH ||
        text[OWNER_LENGTH] != '\n')
        return failure_set(f, CODE_KEYS_BAD, r < 0 ? r : -EBADMSG,
                           "'%s' is missing or is no GUID in lower case", path);
    return 0;
}

/* By the mark or by the image key's name: either alone would vanish with what carries it. */
static int is_development(const char *folder, bool *ret, struct failure *f)
{
    _cleanup_free_ char *mark = text_make("%s/development", folder);
    _cleanup_free_ char *path = text_make("%s/db.crt", folder);
    _cleanup_(free_certificate) X509 *certificate = NULL;
    char name[NAME_MAX_ + 1] = "";

    if (!mark || !path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    certificate = read_certificate(path);
    if (!certificate)
        return library_failure(f, path);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                    sizeof(name)); /* a name of somebody else's is just not ours */
    *ret = file_exists(mark) || strstr(name, DEVELOPMENT_TAIL) != NULL;
    return 0;
}

int keys_open(const char *folder, struct keys *ret, struct failure *f)
{
    _cleanup_text_ struct text digests = TEXT_INIT;
    _cleanup_free_ char *path = realpath(folder, NULL);
    bool development = false;
    int r = 0;

    if (!path)
        return failure_set(f, CODE_KEYS_BAD, -errno, "there is no folder of keys at '%s'", folder);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pairs); i++)
        r = check_pair(path, &pairs[i], &digests, f);
    if (r == 0)
        r = check_release(path, &digests, f);
    if (r == 0)
        r = check_owner(path, f);
    if (r == 0)
        r = is_development(path, &development, f);
    if (r < 0)
        return r;
    if (text_status(&digests) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    ret->development = development;
    ret->digest = digest_bytes(text_string(&digests), digests.length);
    ret->folder = take_ptr(path);
    return 0;
}

int keys_development(uint64_t now, char **ret_path, struct failure *f)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    _cleanup_free_ char *path = NULL;
    int r;

    if (data && data[0] == '/')
        path = text_make("%s/broch/development-keys", data);
    else if (home && home[0] == '/')
        path = text_make("%s/.local/share/broch/development-keys", home);
    else /* never a folder that others can prepare, such as one in /tmp */
        return failure_set(f, CODE_USAGE, -EINVAL,
                           "neither XDG_DATA_HOME nor HOME is an absolute path");
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

int keys_read_owner(const struct keys *keys, uint8_t ret[static KEYS_OWNER_SIZE], struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/owner.guid", keys->folder);
    _cleanup_free_ uint8_t *text = NULL;
    size_t size;
    int r = path ? file_read(path, KEY_FILE_MAX, &text, &size, f)
                 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    text[strcspn((char *)text, "\n")] = '\0';
    return boot_entry_guid_parse((const char *)text, ret) < 0
               ? failure_set(f, CODE_KEYS_BAD, -EBADMSG, "'%s' is no GUID", path)
               : 0;
}

int keys_read_pair(const struct keys *keys, const char *name, EVP_PKEY **ret_key,
                   X509 **ret_certificate, struct failure *f)
{
    _cleanup_free_ char *key_path = text_make("%s/%s.key", keys->folder, name);
    _cleanup_free_ char *certificate_path = text_make("%s/%s.crt", keys->folder, name);
    _cleanup_(free_key) EVP_PKEY *key = key_path ? read_private(key_path) : NULL;
    _cleanup_(free_certificate) X509 *certificate =
        certificate_path ? read_certificate(certificate_path) : NULL;

    if (!key || !certificate)
        return library_failure(f, "cannot read a key and its certificate");
    *ret_key = take_ptr(key);
    *ret_certificate = take_ptr(certificate);
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
