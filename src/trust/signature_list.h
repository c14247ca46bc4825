/* What the firmware keeps in PK, KEK, db and dbx: lists of certificates and hashes
 * (UEFI 2.10, 32.4.1: EFI_SIGNATURE_LIST). Pure. Numbers are little-endian:
 *
 *     lists = *list
 *     list  = 16 GUID of the kind, 4 size of the list, 4 size of a header, 4 size of a signature,
 *             header, *signature
 *     signature = 16 GUID of the owner, the certificate or hash
 *
 * Every kind that is known has no header. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"

enum signature_kind {
    SIGNATURE_CERTIFICATE, /* X.509, DER */
    SIGNATURE_IMAGE_HASH,  /* SHA-256 of a boot file, as Authenticode counts it */
    SIGNATURE_CERTIFICATE_HASH /* SHA-256 of a certificate's signed part, and 16 of a time */,
    SIGNATURE_OTHER
};

enum {
    SIGNATURE_OWNER_SIZE = 16,
    SIGNATURE_HASH_SIZE = 32,
    SIGNATURE_LISTS_MAX = 64 << 10, /* bytes of one variable */
    SIGNATURE_LIST_HEADER = 28      /* bytes before the first signature */
};

/* Views into the lists. */
struct signature {
    enum signature_kind kind;
    const uint8_t *type;  /* GUID, 16 bytes */
    const uint8_t *owner; /* SIGNATURE_OWNER_SIZE bytes, directly before `data` */
    const uint8_t *data;
    size_t size;
};

struct signature_lists {
    struct cursor all, list;
    size_t each; /* of the list that is being read */
    const uint8_t *type;
};

/* The bytes are borrowed. */
struct signature_lists signature_lists_open(const void *bytes, size_t size);

/* The next signature: 1, 0 at the end, -EBADMSG. */
MUST_USE int signature_lists_next(struct signature_lists *lists, struct signature *ret);

/* Writes one list with one signature: SIGNATURE_LIST_HEADER + SIGNATURE_OWNER_SIZE + size bytes.
 * Not for SIGNATURE_OTHER. */
void signature_list_write(enum signature_kind kind, const uint8_t *owner, const void *data,
                          size_t size, uint8_t *ret);
