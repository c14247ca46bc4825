#include "trust/authenticode.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/cursor.h"
#include "trust/pe_section.h"

enum {
    HEADER_POINTER = 0x3c,
    COFF_SIZE = 24, /* "PE\0\0" and the file header */
    MAGIC_PE32_PLUS = 0x20b,
    HEADERS_AT = 60, /* in the optional header: size of all headers */
    CHECKSUM_AT = 64,
    DIRECTORIES_AT = 108,  /* how many data directories follow */
    CERTIFICATES_AT = 144, /* the fifth of them */
    CERTIFICATES_INDEX = 4,
    CHECKSUM_SIZE = 4,
    DIRECTORY_SIZE = 8,
    ENTRY_HEADER_SIZE = 8, /* of an attribute certificate */
    ENTRY_ALIGNMENT = 8,
    REVISION_2 = 0x0200,
    TYPE_PKCS7 = 0x0002,
};

/* DigestInfo of SHA-256 without the digest (RFC 8017, 9.2, note 1). */
static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                       0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

/* SPC_INDIRECT_DATA_OBJID, 1.3.6.1.4.1.311.2.1.4: the type of what is signed, in DER. */
static const uint8_t indirect_data[] = {
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04
};

/* Where in the file the things lie that the hash goes round. */
struct layout {
    size_t checksum, directory; /* offsets */
    size_t headers;             /* size */
    size_t table, table_size;   /* of certificates; both 0 without one */
};

static int read_layout(const void *bytes, size_t size, struct layout *ret)
{
    struct cursor c = cursor_make(bytes, size);
    size_t optional;

    cursor_seek(&c, HEADER_POINTER);
    optional = (size_t)cursor_le32(&c) + COFF_SIZE;
    cursor_seek(&c, optional);
    if (cursor_le16(&c) != MAGIC_PE32_PLUS)
        return -EBADMSG;
    cursor_seek(&c, optional + HEADERS_AT);
    ret->headers = cursor_le32(&c);
    cursor_seek(&c, optional + DIRECTORIES_AT);
    if (cursor_le32(&c) <= CERTIFICATES_INDEX)
        return -EBADMSG;
    cursor_seek(&c, optional + CERTIFICATES_AT);
    ret->table = cursor_le32(&c);
    ret->table_size = cursor_le32(&c);
    ret->checksum = optional + CHECKSUM_AT;
    ret->directory = optional + CERTIFICATES_AT;
    if (c.failed || ret->headers > size || ret->headers < ret->directory + DIRECTORY_SIZE)
        return -EBADMSG;
    if (ret->table_size == 0)
        return ret->table == 0 ? 0 : -EBADMSG;
    return ret->table <= size && ret->table_size == size - ret->table ? 0 : -EBADMSG;
}

static int by_offset(const void *a, const void *b)
{
    const struct pe_section *first = a, *second = b;

    return (first->offset > second->offset) - (first->offset < second->offset);
}

static int hash(const uint8_t *bytes, size_t size, const struct layout *l, struct digest *ret)
{
    struct pe_sections sections;
    struct digest_stream *stream;
    size_t end = size - l->table_size, done = l->headers;
    int r = pe_sections_read(bytes, size, &sections);

    if (r < 0)
        return r;
    qsort(sections.list, sections.count, sizeof(sections.list[0]), by_offset);
    stream = digest_stream_start();
    digest_stream_add(stream, bytes, l->checksum);
    digest_stream_add(stream, bytes + l->checksum + CHECKSUM_SIZE,
                      l->directory - l->checksum - CHECKSUM_SIZE);
    digest_stream_add(stream, bytes + l->directory + DIRECTORY_SIZE,
                      l->headers - l->directory - DIRECTORY_SIZE);
    for (size_t i = 0; i < sections.count; i++) {
        digest_stream_add(stream, bytes + sections.list[i].offset, sections.list[i].room);
        done += sections.list[i].room;
    }
    if (done < end)
        digest_stream_add(stream, bytes + done, end - done);
    *ret = digest_stream_end(stream);
    /* Sections that lie in each other, or in the table, were hashed twice: no tool makes that. */
    return done <= end ? 0 : -EBADMSG;
}

static int find_pkcs7(const uint8_t *bytes, const struct layout *l, struct span *ret)
{
    struct cursor c = cursor_make(bytes + l->table, l->table_size);
    uint32_t length;

    if (l->table_size == 0) {
        *ret = (struct span){ NULL, 0 };
        return 0;
    }
    length = cursor_le32(&c);
    if (cursor_le16(&c) != REVISION_2 || cursor_le16(&c) != TYPE_PKCS7 || c.failed)
        return -EBADMSG;
    if (l->table % ENTRY_ALIGNMENT != 0 || length < ENTRY_HEADER_SIZE || length > l->table_size)
        return -EBADMSG;
    ret->bytes = bytes + l->table + ENTRY_HEADER_SIZE;
    ret->size = length - ENTRY_HEADER_SIZE;
    return 0;
}

int authenticode_read(const void *bytes, size_t size, struct authenticode *ret)
{
    struct layout layout;
    int r = read_layout(bytes, size, &layout);

    if (r == 0)
        r = hash(bytes, size, &layout, &ret->digest);
    return r < 0 ? r : find_pkcs7(bytes, &layout, &ret->pkcs7);
}

/* The certificate of whoever signed, borrowed from the message. */
static X509 *find_signer(PKCS7 *message)
{
    STACK_OF(X509) *signers = PKCS7_get0_signers(message, NULL, 0);
    X509 *signer = signers ? sk_X509_value(signers, 0) : NULL; /* NULL when it is empty */

    sk_X509_free(signers); /* the list only */
    return signer;
}

/* The library takes signed data without content for well-formed; and of what is signed it has a
 * value in `d.other` only when it does not know the type, otherwise something else lies there. */
static bool is_about_a_file(const PKCS7 *message)
{
    const PKCS7_SIGNED *sign = PKCS7_type_is_signed(message) ? message->d.sign : NULL;
    const PKCS7 *inner = sign ? sign->contents : NULL;

    return inner && OBJ_length(inner->type) == sizeof(indirect_data) &&
           memcmp(OBJ_get0_data(inner->type), indirect_data, sizeof(indirect_data)) == 0;
}

PKCS7 *authenticode_parse(const struct authenticode *a)
{
    const uint8_t *at = a->pkcs7.bytes;
    PKCS7 *message;

    if (!at || a->pkcs7.size > LONG_MAX)
        return NULL;
    message = d2i_PKCS7(NULL, &at, (long)a->pkcs7.size);
    if (message && is_about_a_file(message))
        return message;
    PKCS7_free(message);
    return NULL;
}

int authenticode_name(const struct authenticode *a, struct authenticode_signer *ret)
{
    PKCS7 *message = authenticode_parse(a);
    X509 *signer = message ? find_signer(message) : NULL;
    BIO *name = signer ? BIO_new(BIO_s_mem()) : NULL;
    unsigned size = 0;
    int length, r = -EBADMSG;

    if (!a->pkcs7.bytes)
        return -ENODATA;
    if (name &&
        X509_NAME_print_ex(name, X509_get_subject_name(signer), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0 &&
        X509_digest(signer, EVP_sha256(), ret->certificate.bytes, &size) == 1 &&
        size == DIGEST_SIZE) {
        length = BIO_read(name, ret->name, sizeof(ret->name) - 1);
        ret->name[length > 0 ? length : 0] = '\0';
        r = 0;
    }
    (void)BIO_free(name); /* memory only */
    PKCS7_free(message);
    return r;
}

/* What was signed: the content without its outermost tag and length, which PKCS #7 leaves out of
 * the hash (RFC 2315, 9.3). */
static int signed_content(PKCS7 *message, struct span *ret)
{
    const ASN1_TYPE *other = message->d.sign->contents->d.other; /* NULL when there is none */
    const ASN1_STRING *sequence =
        other && other->type == V_ASN1_SEQUENCE ? other->value.sequence : NULL;
    const uint8_t *at = sequence ? ASN1_STRING_get0_data(sequence) : NULL;
    long length = sequence ? ASN1_STRING_length(sequence) : 0, content = 0;
    int tag, class;

    if (!at || ASN1_get_object(&at, &content, &tag, &class, length) & 0x80)
        return -EBADMSG;
    ret->bytes = at;
    ret->size = (size_t)content;
    return 0;
}

static bool names_digest(const struct span *content, const struct digest *digest)
{
    const uint8_t *end = content->bytes + content->size;

    return content->size >= sizeof(digest_info) + DIGEST_SIZE &&
           memcmp(end - DIGEST_SIZE, digest->bytes, DIGEST_SIZE) == 0 &&
           memcmp(end - DIGEST_SIZE - sizeof(digest_info), digest_info, sizeof(digest_info)) == 0;
}

bool authenticode_covers(const struct authenticode *a, PKCS7 *message)
{
    struct span content;

    return signed_content(message, &content) == 0 && names_digest(&content, &a->digest);
}

/* Only this certificate counts, whatever the message brings along; its dates do not, as firmware
 * ignores them. */
static bool is_signed_by(PKCS7 *message, const struct span *content, X509 *certificate)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    BIO *bytes = BIO_new_mem_buf(content->bytes, (int)content->size);
    bool good = bytes && certificates && sk_X509_push(certificates, certificate) > 0 &&
                PKCS7_verify(message, certificates, NULL, bytes, NULL,
                             PKCS7_NOVERIFY | PKCS7_NOINTERN | PKCS7_BINARY) == 1;

    (void)BIO_free(bytes); /* memory only */
    sk_X509_free(certificates);
    return good;
}

int authenticode_verify(const struct authenticode *a, const void *pem, size_t pem_size,
                        struct failure *f)
{
    BIO *input = pem_size <= INT_MAX ? BIO_new_mem_buf(pem, (int)pem_size) : NULL;
    X509 *certificate = input ? PEM_read_bio_X509(input, NULL, NULL, NULL) : NULL;
    PKCS7 *message = authenticode_parse(a);
    struct span content;
    int r = 0;

    if (!certificate)
        r = failure_set(f, CODE_KEYS_BAD, -EBADMSG, "the certificate of db cannot be read");
    else if (!a->pkcs7.bytes)
        r = failure_set(f, CODE_SIGNATURE, -EBADMSG, "nobody signed the boot file");
    else if (!message || signed_content(message, &content) < 0 || content.size > INT_MAX)
        r = failure_set(f, CODE_SIGNATURE, -EBADMSG, "the boot file's signature is malformed");
    else if (!is_signed_by(message, &content, certificate))
        r = failure_set(f, CODE_SIGNATURE, -EBADMSG,
                        "the boot file's signature is not one of this certificate");
    else if (!names_digest(&content, &a->digest))
        r = failure_set(f, CODE_SIGNATURE, -EBADMSG, "the boot file was changed after signing");
    PKCS7_free(message);
    X509_free(certificate);
    (void)BIO_free(input); /* memory only */
    return r;
}
