/* One change that an author made: the body of a link in its chain.
 *
 *   entry     = version operation kind stamp key field context value extension
 *   version   = u8, 1
 *   operation = u8 (enum entry_operation; unknown ones are kept and have no effect)
 *   kind      = le16 (record.h; unknown ones are kept)
 *   stamp     = le64, hybrid clock: milliseconds << 16 | counter; only breaks ties
 *   key       = size:varint 1..255, bytes
 *   field     = varint, at most 65535
 *   context   = count:varint 0..32, count * seen, strictly rising by (author, instance)
 *   seen      = author:32 bytes, instance:le64, seq:varint >= 1
 *   value     = size:varint, bytes
 *   extension = size:varint, bytes: for later versions; hashed, kept, forwarded and ignored
 *
 * Author, instance, seq and the hash of the entry before are not in the body: its place in the
 * chain gives them, and the chain hash binds them (chain.h). The context says what the author had
 * seen of this key in the chains of others: everything up to `seq`. Its own earlier entries it had
 * seen anyway, so its own chain is never listed. An entry has exactly one encoding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    ENTRY_VERSION = 1,
    ENTRY_AUTHOR_SIZE = 32, /* the Ed25519 public key itself: no look-up before verification */
    ENTRY_KEY_SIZE_MAX = 255,
    ENTRY_FIELD_MAX = 65535,
    ENTRY_CONTEXT_MAX = 32, /* author instances that ever wrote one key; admins are few */
    ENTRY_SIZE_MAX = 16384, /* a document is many fields; one field is one entry */
};

enum entry_operation {
    ENTRY_SET = 1,    /* multi-value register (kind, key, field) := value */
    ENTRY_DELETE = 2, /* removes what its author had seen of (kind, key); field 0, value empty */
    ENTRY_ADD = 3,    /* grow-only set (kind, key, field): value is a member for ever */
    ENTRY_RAISE = 4,  /* max-register (kind, key, field): value is le64 */
};

struct entry_seen {
    const uint8_t *author; /* ENTRY_AUTHOR_SIZE bytes */
    uint64_t instance;
    uint64_t seq;
};

/* A decoded entry. All pointers are views into the bytes it was decoded from. */
struct entry {
    uint64_t stamp;
    const uint8_t *key;
    const uint8_t *value;
    const uint8_t *extension;
    size_t value_size;
    size_t extension_size;
    uint32_t field;
    uint16_t kind;
    uint8_t operation;
    uint8_t key_size;
    uint8_t context_count;
    struct entry_seen context[ENTRY_CONTEXT_MAX];
};

/* Decodes exactly one entry. Returns 0, or -EBADMSG (output undefined) for anything that
 * entry_encode() would not have written. Known operations are checked for their own shape. */
MUST_USE int entry_decode(const void *bytes, size_t size, struct entry *ret);

/* Encodes to `bytes`, which hold ENTRY_SIZE_MAX. Returns 0, -EINVAL for an entry that breaks the
 * grammar, or -E2BIG. */
MUST_USE int entry_encode(const struct entry *e, uint8_t bytes[static ENTRY_SIZE_MAX],
                          size_t *ret_size);

/* Total order of chains: author, then instance. */
int entry_chain_compare(const uint8_t *author, uint64_t instance, const uint8_t *other_author,
                        uint64_t other_instance);
