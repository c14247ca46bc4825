#include "trust/boot_signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "trust/authenticode.h"

enum {
    CHAIN_MAX = 8,
    NAME_SIZE = 128,
};

struct boot_signature {
    PKCS7 *p7;
    X509 *chain[CHAIN_MAX]; /* the signer, then who issued it, as far as the file says; borrowed */
    size_t length;
    uint8_t hash[SIGNATURE_HASH_SIZE];
    char name[NAME_SIZE];
};

static int refuse(struct failure *f, const char *what)
{
    return failure_set(f, CODE_SECUREBOOT_FILE, -EBADMSG, "%s", what);
}

/* --- The file --- */

static bool issued(X509 *issuer, X509 *certificate)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK &&
           X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

static bool take_chain(struct boot_signature *s)
{
    STACK_OF(X509) *with = s->p7->d.sign->cert;
    STACK_OF(X509) *signers = PKCS7_get0_signers(s->p7, NULL, 0);
    bool more = signers && sk_X509_num(signers) == 1;

    if (more)
        s->chain[s->length++] = sk_X509_value(signers, 0);
    sk_X509_free(signers);
    while (more && s->length < CHAIN_MAX) {
        more = false;
        for (int i = 0; !more && i < sk_X509_num(with); i++) {
            X509 *issuer = sk_X509_value(with, i);

            more = X509_cmp(issuer, s->chain[s->length - 1]) != 0 &&
                   issued(issuer, s->chain[s->length - 1]);
            if (more)
                s->chain[s->length++] = issuer;
        }
    }
    return s->length > 0;
}

int boot_signature_read(const void *bytes, size_t size, struct boot_signature **ret,
                        struct failure *f)
{
    struct authenticode file;
    struct boot_signature *s;

    if (authenticode_read(bytes, size, &file) < 0)
        return refuse(f, "a boot file is no PE file, or its table of signatures is malformed");
    s = calloc(1, sizeof(*s));
    if (!s)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    s->p7 = authenticode_parse(&file);
    if (!s->p7 || !take_chain(s) || !authenticode_covers(&file, s->p7)) {
        boot_signature_free(s);
        return refuse(f, "a boot file is not signed, not by one signer, or was changed since");
    }
    memcpy(s->hash, file.digest.bytes, sizeof(s->hash));
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(s->chain[0]), NID_commonName, s->name,
                                    sizeof(s->name)); /* a certificate may have no name */
    *ret = s;
    return 0;
}

void boot_signature_free(struct boot_signature *s)
{
    if (!s)
        return;
    PKCS7_free(s->p7);
    free(s);
}

const uint8_t *boot_signature_hash(const struct boot_signature *s)
{
    return s->hash;
}

const char *boot_signature_signer(const struct boot_signature *s)
{
    return s->name;
}

/* --- The lists --- */

/* The certificate is one of the chain, or issued its last one. */
static bool is_above(const struct boot_signature *s, const struct signature *entry)
{
    const unsigned char *der = entry->data;
    X509 *certificate = d2i_X509(NULL, &der, (long)entry->size);
    bool above = false;

    for (size_t i = 0; certificate && !above && i < s->length; i++)
        above = X509_cmp(certificate, s->chain[i]) == 0 || issued(certificate, s->chain[i]);
    X509_free(certificate);
    return above;
}

static bool has_hash(X509 *certificate, const uint8_t *hash)
{
    unsigned char *der = NULL;
    uint8_t digest[SIGNATURE_HASH_SIZE];
    int size = i2d_re_X509_tbs(certificate, &der);
    bool same = size > 0 && EVP_Digest(der, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1 &&
                memcmp(digest, hash, sizeof(digest)) == 0;

    OPENSSL_free(der);
    return same;
}

static bool is_hash_of_chain(const struct boot_signature *s, const struct signature *entry)
{
    bool found = false;

    for (size_t i = 0; !found && i < s->length; i++)
        found = has_hash(s->chain[i], entry->data);
    return found;
}

/* What of the file the entry is about; NULL: nothing. */
static const char *about(const struct boot_signature *s, const struct signature *entry)
{
    switch (entry->kind) {
    case SIGNATURE_CERTIFICATE:
        return is_above(s, entry) ? "the certificate of its signer" : NULL;
    case SIGNATURE_IMAGE_HASH:
        return memcmp(entry->data, s->hash, sizeof(s->hash)) == 0 ? "its hash" : NULL;
    case SIGNATURE_CERTIFICATE_HASH:
        return is_hash_of_chain(s, entry) ? "the hash of its signer's certificate" : NULL;
    case SIGNATURE_OTHER:
        break;
    }
    return NULL;
}

/* A hash of a certificate forbids, and allows nothing. */
static int find(const struct boot_signature *s, const void *bytes, size_t size, bool allows,
                struct signature *ret, const char **ret_what)
{
    struct signature_lists lists = signature_lists_open(bytes, size);
    int more;

    *ret_what = NULL;
    while ((more = signature_lists_next(&lists, ret)) > 0) {
        if (allows && ret->kind == SIGNATURE_CERTIFICATE_HASH)
            continue;
        *ret_what = about(s, ret);
        if (*ret_what)
            return 0;
    }
    return more;
}

/* dbx has the hash of this certificate. */
static bool is_hash_forbidden(const void *bytes, size_t size, const struct boot_lists *l)
{
    const unsigned char *der = bytes;
    struct signature_lists lists = signature_lists_open(l->dbx, l->dbx_size);
    struct signature entry;
    X509 *certificate = d2i_X509(NULL, &der, (long)size);
    bool found = false;

    while (certificate && !found && signature_lists_next(&lists, &entry) > 0)
        found = entry.kind == SIGNATURE_CERTIFICATE_HASH && has_hash(certificate, entry.data);
    X509_free(certificate);
    return found;
}

/* The hash of a certificate that is in db and above the chain forbids as well. */
static bool is_forbidden_above(const struct signature *by, const struct boot_lists *l)
{
    return by->kind == SIGNATURE_CERTIFICATE && is_hash_forbidden(by->data, by->size, l);
}

int boot_signature_allowed(const struct boot_signature *s, const struct boot_lists *lists,
                           struct signature *ret_by, struct failure *f)
{
    struct signature by;
    const char *what;
    int r = find(s, lists->dbx, lists->dbx_size, false, &by, &what);

    if (r == 0 && what)
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED, "dbx has %s", what);
    if (r == 0)
        r = find(s, lists->db, lists->db_size, true, &by, &what);
    if (r < 0)
        return refuse(f, "db or dbx is malformed");
    if (!what)
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED,
                           "db has neither the certificate of its signer nor its hash");
    if (is_forbidden_above(&by, lists))
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED,
                           "dbx has the hash of the certificate that allows it");
    *ret_by = by;
    return 0;
}

/* Looks for an entry in one variable; `owned`: of the same owner. 1, 0, -EBADMSG. */
static int has_entry(const void *bytes, size_t size, const uint8_t *entry, size_t entry_size,
                     bool owned)
{
    struct signature_lists lists = signature_lists_open(bytes, size);
    struct signature found;
    int more;

    while ((more = signature_lists_next(&lists, &found)) > 0) {
        if (found.size == entry_size - SIGNATURE_OWNER_SIZE &&
            memcmp(found.data, entry + SIGNATURE_OWNER_SIZE, found.size) == 0 &&
            (!owned || memcmp(found.owner, entry, SIGNATURE_OWNER_SIZE) == 0))
            return 1;
    }
    return more;
}

int boot_lists_allow(const struct boot_lists *lists, const void *entry, size_t size,
                     struct failure *f)
{
    const uint8_t *bytes = entry;
    int allowed, forbidden;

    if (size <= SIGNATURE_OWNER_SIZE)
        return refuse(f, "what the firmware measured is no entry of db");
    allowed = has_entry(lists->db, lists->db_size, bytes, size, true);
    forbidden = has_entry(lists->dbx, lists->dbx_size, bytes, size, false);
    if (allowed < 0 || forbidden < 0)
        return refuse(f, "db or dbx is malformed");
    if (!allowed)
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED, "db does not have it");
    if (forbidden ||
        is_hash_forbidden(bytes + SIGNATURE_OWNER_SIZE, size - SIGNATURE_OWNER_SIZE, lists))
        return failure_set(f, CODE_SECUREBOOT_REVOKES, -EKEYREJECTED, "dbx forbids it");
    return 0;
}
