/* A signed change of Secure Boot's keys, as firmware takes it (UEFI 2.10, 8.2.2: SetVariable() with
 * EFI_VARIABLE_AUTHENTICATION_2). Other tools call the file ".auth":
 *
 *     16 time, 4 size of what follows up to the content, 2 revision 0x0200, 2 kind 0x0ef1,
 *     16 EFI_CERT_TYPE_PKCS7_GUID, PKCS #7 SignedData (DER), content: lists
 * (trust/signature_list.h)
 *
 * What is signed is the variable's name (UTF-16 without an end), its GUID, its attributes, the time
 * and the content. The file names no variable: whoever verifies finds which one it is for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum key_variable {
    KEY_VARIABLE_PK,
    KEY_VARIABLE_KEK,
    KEY_VARIABLE_DB,
    KEY_VARIABLE_DBX,
    KEY_VARIABLE_MAX_
};

enum { KEY_CHANGE_MAX = 64 << 10, KEY_CHANGE_TIME_SIZE = 16 };

/* Non-volatile, for boot and run time, signed with a time; and the same, added to what is there. */
#define KEY_ATTRIBUTES        0x27u
#define KEY_ATTRIBUTES_APPEND 0x67u

/* Views into the file. */
struct key_change {
    const uint8_t *time;
    const uint8_t *signature;
    size_t signature_size;
    const uint8_t *content;
    size_t size;
};

/* What the signature has to be for. */
struct key_target {
    enum key_variable variable;
    bool append;
};

/* "db", and its GUID as text. */
const char *key_variable_name(enum key_variable variable);
const char *key_variable_guid(enum key_variable variable);

/* 0, or -EBADMSG: no such file, or lists that are malformed or empty. */
MUST_USE int key_change_parse(const void *bytes, size_t size, struct key_change *ret);

/* The bytes that are signed; allocated. NULL: out of memory. */
uint8_t *key_change_message(struct key_target target, const struct key_change *change,
                            size_t *ret_size);

/* Whether a certificate in `signers` (lists: KEK for db and dbx, PK for KEK and PK) has signed it
 * for this target. 0, -EKEYREJECTED, -ENOMEM. */
MUST_USE int key_change_verify(const struct key_change *change, struct key_target target,
                               const void *signers, size_t signers_size);

/* What the variable holds afterwards; *ret is allocated. Firmware leaves out of an addition what is
 * there already, in a way that is its own: so a change all of which is there is -EALREADY, and one
 * of which some is there -EEXIST. -EBADMSG: what is there is malformed. */
MUST_USE int key_change_result(const struct key_change *change, bool append, const void *old,
                               size_t old_size, uint8_t **ret, size_t *ret_size);
