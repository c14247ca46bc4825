#include "trust/key_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "trust/signature_list.h"

enum { GUID_SIZE = 16, HEADER_SIZE = 24, REVISION = 0x0200, KIND_GUID = 0x0ef1 };

/* EFI_CERT_TYPE_PKCS7_GUID. */
static const uint8_t pkcs7_guid[GUID_SIZE] = { 0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49,
                                               0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7 };

#define GLOBAL_TEXT   "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define DATABASE_TEXT "d719b2cb-3d3a-4596-a3bc-dad00e67656f"

/* EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID, as they are in memory. */
static const uint8_t global_guid[GUID_SIZE] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                                0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
static const uint8_t database_guid[GUID_SIZE] = { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                                  0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f };

static const struct {
    const char *name, *text;
    const uint8_t *guid;
} variables[KEY_VARIABLE_MAX_] = {
    [KEY_VARIABLE_PK] = { "PK", GLOBAL_TEXT, global_guid },
    [KEY_VARIABLE_KEK] = { "KEK", GLOBAL_TEXT, global_guid },
    [KEY_VARIABLE_DB] = { "db", DATABASE_TEXT, database_guid },
    [KEY_VARIABLE_DBX] = { "dbx", DATABASE_TEXT, database_guid },
};

const char *key_variable_name(enum key_variable variable)
{
    CHECK(variable < KEY_VARIABLE_MAX_);
    return variables[variable].name;
}

const char *key_variable_guid(enum key_variable variable)
{
    CHECK(variable < KEY_VARIABLE_MAX_);
    return variables[variable].text;
}

/* How many signatures there are; -EBADMSG. */
static int count(const void *bytes, size_t size)
{
    struct signature_lists lists = signature_lists_open(bytes, size);
    struct signature signature;
    int more, found = 0;

    while ((more = signature_lists_next(&lists, &signature)) > 0)
        found++;
    return more < 0 ? more : found;
}

int key_change_parse(const void *bytes, size_t size, struct key_change *ret)
{
    struct cursor c = cursor_make(bytes, size);
    struct key_change change;
    const uint8_t *guid;
    uint32_t length;
    uint16_t revision, kind;

    change.time = cursor_take(&c, KEY_CHANGE_TIME_SIZE);
    length = cursor_le32(&c);
    revision = cursor_le16(&c);
    kind = cursor_le16(&c);
    guid = cursor_take(&c, GUID_SIZE);
    if (!guid || revision != REVISION || kind != KIND_GUID || length <= HEADER_SIZE ||
        memcmp(guid, pkcs7_guid, GUID_SIZE) != 0)
        return -EBADMSG;
    change.signature_size = length - HEADER_SIZE;
    change.signature = cursor_take(&c, change.signature_size);
    change.size = cursor_left(&c);
    change.content = cursor_take(&c, change.size);
    if (!cursor_finished(&c) || count(change.content, change.size) <= 0)
        return -EBADMSG;
    *ret = change;
    return 0;
}

uint8_t *key_change_message(struct key_target target, const struct key_change *change,
                            size_t *ret_size)
{
    const char *name = key_variable_name(target.variable);
    const uint32_t attributes = target.append ? KEY_ATTRIBUTES_APPEND : KEY_ATTRIBUTES;
    const size_t length = strlen(name);
    const size_t size = 2 * length + GUID_SIZE + 4 + KEY_CHANGE_TIME_SIZE + change->size;
    uint8_t *bytes = malloc(size), *at = bytes;

    if (!bytes)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        *at++ = (uint8_t)name[i];
        *at++ = 0;
    }
    memcpy(at, variables[target.variable].guid, GUID_SIZE);
    at += GUID_SIZE;
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(attributes >> (8 * i));
    memcpy(at, change->time, KEY_CHANGE_TIME_SIZE);
    memcpy(at + KEY_CHANGE_TIME_SIZE, change->content, change->size);
    *ret_size = size;
    return bytes;
}

/* UEFI wants the SignedData alone; many tools wrap it, and firmware takes both. */
static PKCS7 *decode(const uint8_t *bytes, size_t size)
{
    const unsigned char *at = bytes;
    PKCS7 *whole = d2i_PKCS7(NULL, &at, (long)size);
    PKCS7_SIGNED *alone;

    if (whole)
        return whole;
    at = bytes;
    alone = d2i_PKCS7_SIGNED(NULL, &at, (long)size);
    if (!alone)
        return NULL;
    whole = PKCS7_new();
    if (!whole) {
        PKCS7_SIGNED_free(alone);
        return NULL;
    }
    whole->type = OBJ_nid2obj(NID_pkcs7_signed);
    whole->d.sign = alone;
    return whole;
}

/* Is this certificate in the lists? Firmware compares certificates as wholes. */
static bool holds(const void *lists, size_t size, X509 *certificate)
{
    struct signature_lists l = signature_lists_open(lists, size);
    struct signature signature;
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    bool found = false;

    while (length > 0 && !found && signature_lists_next(&l, &signature) > 0)
        found = signature.kind == SIGNATURE_CERTIFICATE && signature.size == (size_t)length &&
                memcmp(signature.data, der, signature.size) == 0;
    OPENSSL_free(der);
    return found;
}

/* Behind a buffer: of a source in memory PKCS7_verify() makes another one, and loses it when the
 * signature names a digest that there is not (OpenSSL 3.0). */
static BIO *read_from(const uint8_t *message, size_t size)
{
    BIO *memory = BIO_new_mem_buf(message, (int)size), *buffer = BIO_new(BIO_f_buffer());

    if (memory && buffer)
        return BIO_push(buffer, memory);
    BIO_free(memory);
    BIO_free(buffer);
    return NULL;
}

static bool is_signed(PKCS7 *p7, const uint8_t *message, size_t size, const void *signers,
                      size_t signers_size)
{
    BIO *in = read_from(message, size);
    STACK_OF(X509) *by = NULL;
    bool good = in && PKCS7_verify(p7, NULL, NULL, in, NULL, PKCS7_NOVERIFY | PKCS7_BINARY) == 1;

    if (good)
        by = PKCS7_get0_signers(p7, NULL, 0);
    good = by && sk_X509_num(by) == 1 && holds(signers, signers_size, sk_X509_value(by, 0));
    sk_X509_free(by);
    BIO_free_all(in);
    return good;
}

int key_change_verify(const struct key_change *change, struct key_target target,
                      const void *signers, size_t signers_size)
{
    size_t size;
    _cleanup_free_ uint8_t *message = key_change_message(target, change, &size);
    PKCS7 *p7;
    bool good;

    if (!message)
        return -ENOMEM;
    p7 = decode(change->signature, change->signature_size);
    good = p7 && PKCS7_type_is_signed(p7) && is_signed(p7, message, size, signers, signers_size);
    PKCS7_free(p7);
    return good ? 0 : -EKEYREJECTED;
}

/* As firmware compares: kind, owner and content. */
static bool is_there(const struct signature *wanted, const void *old, size_t old_size)
{
    struct signature_lists lists = signature_lists_open(old, old_size);
    struct signature found;

    while (signature_lists_next(&lists, &found) > 0) {
        if (found.size == wanted->size && memcmp(found.type, wanted->type, GUID_SIZE) == 0 &&
            memcmp(found.owner, wanted->owner, SIGNATURE_OWNER_SIZE + wanted->size) == 0)
            return true;
    }
    return false;
}

static int check_addition(const struct key_change *change, const void *old, size_t old_size)
{
    struct signature_lists lists = signature_lists_open(change->content, change->size);
    struct signature wanted;
    int there = 0, all = 0;

    while (signature_lists_next(&lists, &wanted) > 0) {
        all++;
        there += is_there(&wanted, old, old_size);
    }
    if (there == 0)
        return 0;
    return there == all ? -EALREADY : -EEXIST;
}

int key_change_result(const struct key_change *change, bool append, const void *old,
                      size_t old_size, uint8_t **ret, size_t *ret_size)
{
    const size_t before = append ? old_size : 0;
    uint8_t *bytes;
    int r;

    if (count(old, old_size) < 0)
        return -EBADMSG;
    if (append)
        r = check_addition(change, old, old_size);
    else
        r = old_size == change->size && memcmp(old, change->content, old_size) == 0 ? -EALREADY : 0;
    if (r < 0)
        return r;
    bytes = malloc(before + change->size);
    if (!bytes)
        return -ENOMEM;
    if (before > 0)
        memcpy(bytes, old, before);
    memcpy(bytes + before, change->content, change->size);
    *ret = bytes;
    *ret_size = before + change->size;
    return 0;
}
