/* Checkpoint: a statement, signed by itself, that says what of the past still matters.
 *
 *   statement = version signer stamp heads segments signature
 *   version   = u8, 1
 *   signer    = 32 bytes (Ed25519 public key), stamp = le64
 *   heads     = count:varint 1..128, count * (author:32, instance:le64, seq:varint >= 1, hash:32),
 *               rising by (author, instance); the chains that it covers, and up to where
 *   segments  = count:varint 0..512, count * SHA-256 of a segment
 *   signature = 64 bytes over "broch checkpoint 1" 0, org id, SHA-256 of everything before it
 *
 * What is kept of the entries under the heads is in the segments, at most 65,536 bytes each:
 *
 *   segment   = group, group ...: one or more, rising by (author, instance)
 *   group     = author:32, instance:le64, count:varint 1..4096, count * kept
 *   kept      = seq:varint (of the first; then the difference to the one before, >= 1),
 *               size:varint, body
 *
 * It takes effect where all of its segments are, whatever else is there: an entry under its heads
 * counts from then on only when it is kept, and of several checkpoints over one entry each must
 * keep it. So two that know nothing of each other are both right about what is gone, and nothing
 * comes back. Since what is not kept never counts again, anybody may drop it, or never fetch it,
 * and sees the same trees.
 *
 * A checkpoint whose heads are all reached by another, one of them passed, gives way to it. One
 * whose signer is revoked as an admin, wherever the frontier is, is void: a thief could claim any
 * date. What is to stay is signed again with another key first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"
#include "org/digest.h"

enum {
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_HEADS_MAX = 128,
    CHECKPOINT_SEGMENTS_MAX = 512, /* 32 MiB of what is kept */
    CHECKPOINT_SEGMENT_SIZE_MAX = 65536,
    CHECKPOINT_GROUP_MAX = 4096,
    CHECKPOINT_SIGNATURE_SIZE = 64,
    CHECKPOINT_MESSAGE_SIZE = 19 + 2 * DIGEST_SIZE,
    CHECKPOINT_SIZE_MAX = 1 + 32 + 8 + 2 + CHECKPOINT_HEADS_MAX * (32 + 8 + 10 + DIGEST_SIZE) + 2 +
                          CHECKPOINT_SEGMENTS_MAX * DIGEST_SIZE + CHECKPOINT_SIGNATURE_SIZE,
};

struct checkpoint_head {
    uint8_t author[32];
    uint64_t instance;
    uint64_t seq;
    struct digest hash;
};

struct checkpoint_statement {
    uint8_t signer[32];
    uint64_t stamp;
    uint32_t head_count;
    uint32_t segment_count;
    struct checkpoint_head heads[CHECKPOINT_HEADS_MAX];
    struct digest segments[CHECKPOINT_SEGMENTS_MAX];
    uint8_t signature[CHECKPOINT_SIGNATURE_SIZE];
};

/* Returns 0 or -EBADMSG. */
MUST_USE int checkpoint_decode(const void *bytes, size_t size, struct checkpoint_statement *ret);

/* Returns 0, or -EINVAL for a statement that breaks the grammar. */
MUST_USE int checkpoint_encode(const struct checkpoint_statement *s,
                               uint8_t bytes[static CHECKPOINT_SIZE_MAX], size_t *ret_size);

/* The bytes to sign. Returns 0 or -EINVAL. */
MUST_USE int checkpoint_message(const struct checkpoint_statement *s, const struct digest *org,
                                uint8_t message[static CHECKPOINT_MESSAGE_SIZE]);

/* The seq up to which it covers a chain; 0 when it does not name it. */
uint64_t checkpoint_covers(const struct checkpoint_statement *s, const uint8_t author[static 32],
                           uint64_t instance);

/* True when `newer` reaches every head of `older` and passes one, or names more. */
bool checkpoint_replaces(const struct checkpoint_statement *newer,
                         const struct checkpoint_statement *older);

/* What a segment holds, one after the other. */
struct checkpoint_reader {
    struct cursor c;
    const uint8_t *author;
    uint64_t instance;
    uint64_t seq;
    uint32_t left; /* in this group */
};

struct checkpoint_kept {
    const uint8_t *author;
    const uint8_t *body;
    uint64_t instance;
    uint64_t seq;
    uint32_t body_size;
};

struct checkpoint_reader checkpoint_read(const void *bytes, size_t size);

/* Returns 1 with the next one (views into the segment), 0 after the last, -EBADMSG. The body is a
 * well-formed entry. */
MUST_USE int checkpoint_next(struct checkpoint_reader *r, struct checkpoint_kept *ret);
