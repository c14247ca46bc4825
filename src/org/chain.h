/* Per-author hash chains: the log that the admin trees are folded from.
 *
 * An author (an Ed25519 key) writes one chain per *instance*; it draws a new instance when its own
 * state was lost or rolled back, so that a restored disk image does not look like a forger. With
 * d(s) = SHA-256(body of entry s):
 *
 *   hash(0) = SHA-256("broch chain 1" 0, org id, author, instance:le64)
 *   hash(s) = SHA-256(hash(s-1), d(s))
 *
 * Heads are signed, not entries. Entries come in *batches* that lie within one span of 64 (1..64,
 * 65..128, ...), so a signature is checked at most once per batch and the proof of any entry is at
 * most 63 digests long:
 *
 *   batch     = author:32, instance:le64, first:varint, before:32, count:varint 0..64,
 *               count * (size:varint, body), tail:varint 0..64, tail * digest:32, signature:64
 *   signature = over "broch head 1" 0, org id, author, instance:le64, last:le64, hash(last)
 *   last      = first + count + tail - 1, at least first and in the span of first
 *   before    = hash(first - 1)
 *
 * The tail are digests of entries that the sender does not pass on (they are void), without which
 * the signature could not be checked.
 *
 * A *fork* is two entries with one (author, instance, seq): proof that the key was copied. The
 * chain is frozen before the fork, for ever and everywhere; the proof travels:
 *
 *   evidence  = author:32, instance:le64, seq:varint, before:32, branch, branch
 *   branch    = count:varint 1..64, count * digest:32, signature:64
 *
 * The first branch has the smaller first digest. A replica knows three positions of a chain: what
 * it *holds* (bodies), what it *lists* to others (held, signed, before the fork, up to the
 * revocation frontier), and what is *valid* for folds (listed, unless a frontier names another hash
 * than the one held: then nothing is, until the true branch arrives and the fork is found).
 *
 * Checkpoints (checkpoint.h) cover a chain up to a head. Of what is covered only *kept* entries
 * count; they come in segments and are links of their own, beside the chain's. Where a chain ended
 * below the head of a checkpoint it goes on from there: what lies between is nowhere here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/output.h"
#include "org/digest.h"
#include "org/entry.h"
#include "org/revoke.h"

enum {
    CHAIN_SPAN = 64,
    CHAIN_CHECKPOINTS_MAX = 16, /* in effect at one time */
    CHAIN_SIGNATURE_SIZE = 64,
    CHAIN_MESSAGE_SIZE = 13 + 32 + 32 + 8 + 8 + 32,
    CHAIN_BATCH_BYTES_MAX = 65536, /* bodies of one batch as packed here; one always fits */
    CHAIN_EVIDENCE_MAX = 32 + 8 + 10 + 32 + 2 * (1 + CHAIN_SPAN * 32 + CHAIN_SIGNATURE_SIZE),
};

#define CHAIN_NONE UINT32_MAX

/* Capacities, given once. What one author may take, in how many chains and in each, bounds what a
 * stolen key can do. What a chain may hold cuts it off at a place, and so is the same wherever the
 * chain is; how many chains there are depends on which came first, until the key is revoked. */
struct chain_limits {
    uint32_t chains_max;
    uint32_t entries_max;
    uint32_t bytes_max;
    uint32_t evidence_max;
    uint32_t author_chains_max;
    uint32_t chain_entries_max;
    uint32_t chain_bytes_max;
};

/* What the chains ask of the world. Both functions are pure; `context` is theirs. */
struct chain_rules {
    bool (*verify)(void *context, const uint8_t *author, const void *message, size_t size,
                   const uint8_t *signature);
    bool (*admits)(void *context, const uint8_t *author); /* has any scope at all */
    void *context;
};

struct chain_view {
    uint8_t author[ENTRY_AUTHOR_SIZE];
    uint64_t instance;
    uint64_t held;     /* last seq whose body is here, without a gap */
    uint64_t proved;   /* last seq under a signature */
    uint64_t fork;     /* first seq that exists twice; 0: none known */
    uint64_t frontier; /* last seq that revocations allow; UINT64_MAX: not revoked */
};

struct chain_link {
    struct digest hash;
    struct digest digest;
    uint64_t seq;
    uint32_t chain;
    uint32_t body_offset;
    uint16_t body_size; /* 0: digest only */
    bool kept;          /* of a checkpoint: has no hash */
    uint32_t mark;      /* kept: which checkpoints keep it, a bit each; otherwise slot + 1 of the
                           signature over this seq, where a span ends */
};

enum chain_result {
    CHAIN_TOOK,  /* took bodies */
    CHAIN_KNOWN, /* nothing new */
    CHAIN_VOID,  /* it begins above a frontier or a fork: not even verified */

    CHAIN_GAP,      /* something before it is missing: ask from `want` on */
    CHAIN_DIVERGED, /* the author signed another past: ask from `want` on to find the fork */
    CHAIN_FORKED,   /* a fork was found, or a lower one than before; may have taken bodies too */
    CHAIN_STRANGER, /* the author has no scope here: refused, nothing stored */
};

struct chain_outcome {
    enum chain_result result;
    uint32_t chain; /* CHAIN_NONE where none is concerned */
    uint64_t first; /* bodies first..last are new here; none when first > last */
    uint64_t last;
    uint64_t want;
};

struct chain_set;
struct checkpoint_statement;

/* Allocates everything. `revocations` is borrowed and outlives the set. Returns 0 or -ENOMEM. */
MUST_USE int chain_set_new(const struct chain_limits *limits, const struct chain_rules *rules,
                           const struct digest *org, const struct revoke_set *revocations,
                           struct chain_set **ret);
struct chain_set *chain_set_free(struct chain_set *set);

/* Takes a batch of somebody else, or of our own from disk: all or nothing.
 * Returns 0 with *ret set, -EBADMSG (malformed), -EKEYREJECTED (signature), -EDQUOT (the author's
 * quota), -ENOSPC (a capacity of the set), -EAGAIN (it is at odds with entries of our own that are
 * not sealed yet: seal, then take it again). On an error nothing changed. */
MUST_USE int chain_take(struct chain_set *set, const void *bytes, size_t size,
                        struct chain_outcome *ret);

/* The same for evidence of a fork: CHAIN_FORKED, CHAIN_KNOWN or CHAIN_STRANGER. */
MUST_USE int chain_take_evidence(struct chain_set *set, const void *bytes, size_t size,
                                 struct chain_outcome *ret);

/* Writes the batch that starts at `first` (1 <= first <= listed). Returns 0 with the seq to go on
 * from (listed + 1 at the end), -ENOENT when there is nothing to send, -ENOSPC when `o` is full. */
MUST_USE int chain_pack(const struct chain_set *set, uint32_t chain, uint64_t first,
                        struct output *o, uint64_t *ret_next);

/* Writes the evidence. Returns 0, -ENOENT without a fork, -ENOSPC when `o` is full. */
MUST_USE int chain_pack_evidence(const struct chain_set *set, uint32_t chain, struct output *o);

/* Appends an entry of our own. Returns 0, -EBADMSG, -EDQUOT, -ENOSPC, -EAGAIN when the span is full
 * and must be sealed first, -EKEYREVOKED when the chain is frozen or revoked, -EACCES when the
 * author has no scope here. */
MUST_USE int chain_append(struct chain_set *set, const uint8_t author[static ENTRY_AUTHOR_SIZE],
                          uint64_t instance, const void *body, size_t size, uint32_t *ret_chain);

/* The bytes to sign for the last held entry. */
void chain_head_message(const struct chain_set *set, uint32_t chain,
                        uint8_t message[static CHAIN_MESSAGE_SIZE]);

/* Puts the signature under everything held. Returns 0 or -EKEYREJECTED. */
MUST_USE int chain_seal(struct chain_set *set, uint32_t chain,
                        const uint8_t signature[static CHAIN_SIGNATURE_SIZE]);

/* To be called when the revocations about `subject` changed. */
void chain_set_revoked(struct chain_set *set, const uint8_t subject[static ENTRY_AUTHOR_SIZE]);

uint32_t chain_set_count(const struct chain_set *set);
uint32_t chain_set_entries(const struct chain_set *set);

/* Chain `index` below the count, in order of arrival; valid until the next call that changes. */
const struct chain_view *chain_at(const struct chain_set *set, uint32_t index);

/* The index of a chain, or CHAIN_NONE. */
uint32_t chain_find(const struct chain_set *set, const uint8_t author[static ENTRY_AUTHOR_SIZE],
                    uint64_t instance);

uint64_t chain_listed(const struct chain_set *set, uint32_t chain);

/* The last seq that its fork, its frontier and the limit of a chain allow. */
uint64_t chain_allowed(const struct chain_set *set, uint32_t chain);
uint64_t chain_valid(const struct chain_set *set, uint32_t chain);

/* hash(seq) for 0 <= seq <= the last link, which the caller has made sure of; not for what a
 * checkpoint left out, chain_base() > seq > 0. */
struct digest chain_hash(const struct chain_set *set, uint32_t chain, uint64_t seq);

/* hash(listed): below the head of a checkpoint it is the one that the fork or the revocation names,
 * so that it is the same whether the chain is here or not. */
struct digest chain_listed_hash(const struct chain_set *set, uint32_t chain);

/* Links by number, in order of arrival, 0 <= number < chain_set_entries(). */
const struct chain_link *chain_link_at(const struct chain_set *set, uint32_t number);

/* The number of the link of (chain, seq), or CHAIN_NONE. */
uint32_t chain_link_find(const struct chain_set *set, uint32_t chain, uint64_t seq);

/* The body, valid as long as the set; NULL for a digest only. */
const uint8_t *chain_link_body(const struct chain_set *set, const struct chain_link *link);

/* Takes a segment of a checkpoint: its bytes and a link for each entry that is not kept yet. All or
 * nothing. Returns 0 with the place of the bytes, -EBADMSG, or -ENOSPC. */
MUST_USE int chain_take_segment(struct chain_set *set, const void *bytes, size_t size,
                                uint32_t *ret_place);
const uint8_t *chain_segment(const struct chain_set *set, uint32_t place);

/* Puts a checkpoint into effect in a free slot below CHAIN_CHECKPOINTS_MAX; chain_mark_kept() for
 * each of its segments follows. Chains that end below its heads go on from there. Returns 0 or
 * -ENOSPC. */
MUST_USE int chain_cover(struct chain_set *set, unsigned slot,
                         const struct checkpoint_statement *s);
void chain_mark_kept(struct chain_set *set, unsigned slot, uint32_t place, size_t size);

/* Ends its effect. Returns false when a chain here began at one of its heads and no other covers
 * that: entries are missing then, and the set must be made anew from what the disk holds. */
MUST_USE bool chain_uncover(struct chain_set *set, unsigned slot);

/* Up to where checkpoints cover a chain; 0: not at all. The hash is that of the head. */
uint64_t chain_covered(const struct chain_set *set, uint32_t chain);
struct digest chain_covered_hash(const struct chain_set *set, uint32_t chain);

/* The head at which the chain begins here; 0: at its first entry. */
uint64_t chain_base(const struct chain_set *set, uint32_t chain);

/* True for an entry above all checkpoints, and for one that all checkpoints over it keep. */
bool chain_link_current(const struct chain_set *set, const struct chain_link *link);

/* The number of the current kept link of (chain, seq), or CHAIN_NONE. */
uint32_t chain_kept_find(const struct chain_set *set, uint32_t chain, uint64_t seq);
