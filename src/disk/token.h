/* The tokens in the LUKS2 header of persist: what stands beside a keyslot and says how its
 * passphrase is come by. Pure.
 *
 *     {"type":"broch-tpm2","keyslots":["1"],"version":1,"policy":"local","org":"<64 hex>",
 *      "share_epoch":0,"k":0,"n":0,"sealed":"<base64>"}
 *     {"type":"broch-recovery","keyslots":["0"],"version":1}
 *
 * Each key stands once, in any order; another key, or another version, is a token that this code
 * does not understand and does not use. The header is not authenticated: a token is a hint that an
 * attacker may have written, and `sealed` means nothing until a TPM has opened it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/line.h"
#include "disk/json_reader.h"

#define TOKEN_TYPE_TPM2     "broch-tpm2"
#define TOKEN_TYPE_RECOVERY "broch-recovery"

enum {
    TOKEN_VERSION = 1,
    TOKEN_ORG_SIZE = 32,
    TOKEN_SEALED_MAX = 2560, /* bytes: private and public part, and the storage key's public area */
    TOKEN_SIZE_MAX = 4096,   /* the JSON text, with its zero */
    TOKEN_KEYSLOT_MAX = 31,  /* LUKS2 has 32 */
    TOKEN_SHARES_MAX = 255,
};

/* What the keyslot's passphrase is made of. */
enum token_policy {
    TOKEN_POLICY_LOCAL, /* the TPM alone */
    TOKEN_POLICY_ORG,   /* the TPM, and k of n members of the org */
};

struct token_tpm2 {
    unsigned keyslot;
    enum token_policy policy;
    uint8_t org[TOKEN_ORG_SIZE]; /* the org's id; without an org, the hash of the release key */
    uint32_t share_epoch;        /* which set of shares; 0 with the local policy */
    unsigned k, n;               /* likewise */
    size_t sealed_size;
    uint8_t sealed[TOKEN_SEALED_MAX];
};

/* Appends the JSON text; its longest form fits into TOKEN_SIZE_MAX. */
void token_tpm2_encode(const struct token_tpm2 *token, struct line *l);
void token_recovery_encode(unsigned keyslot, struct line *l);

/* Decodes one token. Returns 0; -ENOENT when it is an object of another type (or without one),
 * or one whose keyslot has gone: a power cut leaves that when a way is replaced;
 * -EBADMSG when it is of this type, but not of this form; -ERANGE when it is of this form, with a
 * number or a size over the limit. */
MUST_USE int token_tpm2_decode(const struct json_reader *value, struct token_tpm2 *ret);
MUST_USE int token_recovery_decode(const struct json_reader *value, unsigned *ret_keyslot);
