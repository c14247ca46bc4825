/* What the parts of the chain module share: chain.c, chain_batch.c, chain_fork.c. */
#pragma once

#include "org/chain.h"

struct chain_head {
    uint64_t seq;
    struct digest hash;
};

struct chain_record {
    struct chain_view view;
    struct digest origin; /* hash(0) */
    uint64_t linked;      /* last seq that has a link; >= view.held, >= view.proved */
    uint32_t bytes;       /* of bodies, for the quota */
    uint32_t evidence;    /* slot + 1 */
    uint64_t base;        /* the head of a checkpoint at which the chain begins here; 0: none */
    struct digest base_hash;
    struct chain_head covered; /* the highest of heads; of equal ones the smallest hash */
    struct chain_head heads[CHAIN_CHECKPOINTS_MAX]; /* by checkpoint in effect; seq 0: not named */
    uint8_t signature[CHAIN_SIGNATURE_SIZE];        /* over view.proved */
};

struct chain_evidence {
    size_t size;
    uint8_t bytes[CHAIN_EVIDENCE_MAX];
};

struct chain_set {
    struct chain_limits limits;
    struct chain_rules rules;
    struct digest org;
    const struct revoke_set *revocations;
    uint32_t chain_count;
    uint32_t link_count;
    uint32_t body_bytes;
    uint32_t signature_count;
    uint32_t evidence_count;
    uint32_t signatures_max;
    uint32_t slot_mask;
    struct chain_record *chains;
    struct chain_link *links;
    uint32_t *slots; /* open addressing over (chain, seq): link + 1 */
    uint8_t *bodies;
    uint8_t (*signatures)[CHAIN_SIGNATURE_SIZE];
    struct chain_evidence *evidence;
};

/* One side of the comparison that finds a fork: digests from `seq` to a signed head. */
struct chain_branch {
    const uint8_t *digests; /* count * DIGEST_SIZE */
    uint32_t count;         /* 1..CHAIN_SPAN */
    const uint8_t *signature;
};

/* Where a search for (chain, seq) begins in the look-up table. */
uint32_t chain_slot_start(const struct chain_set *set, uint32_t chain, uint64_t seq);

static inline uint64_t chain_span_end(uint64_t seq)
{
    return (seq - 1) / CHAIN_SPAN * CHAIN_SPAN + CHAIN_SPAN;
}

/* Below here the links of a chain, and their hashes, may be missing. */
static inline uint64_t chain_floor(const struct chain_record *record)
{
    return record->base > record->covered.seq ? record->base : record->covered.seq;
}

struct digest chain_origin(const struct digest *org, const uint8_t *author, uint64_t instance);
struct digest chain_step(const struct digest *before, const uint8_t digest[static DIGEST_SIZE]);
void chain_message(const struct digest *org, const uint8_t *author, uint64_t instance, uint64_t seq,
                   const struct digest *hash, uint8_t message[static CHAIN_MESSAGE_SIZE]);

/* 0, -EDQUOT or -ENOSPC for `entries` more links and `bytes` more bodies of an author; a chain that
 * does not exist yet is CHAIN_NONE. */
MUST_USE int chain_room(const struct chain_set *set, const uint8_t *author, uint32_t chain,
                        uint32_t entries, size_t bytes);

/* Creates the chain; chain_room() or chain_room_chain() said yes. */
uint32_t chain_create(struct chain_set *set, const uint8_t *author, uint64_t instance);
MUST_USE int chain_room_chain(const struct chain_set *set, const uint8_t *author);

/* Adds the next link of a chain, or the body of a link that had none. */
void chain_add_link(struct chain_set *set, uint32_t chain, const struct digest *digest,
                    const struct digest *hash);
/* A link beside the chain; its body stands at `place` among the bodies. */
void chain_add_kept(struct chain_set *set, uint32_t chain, uint64_t seq,
                    const struct digest *digest, uint32_t place, size_t size);
void chain_add_body(struct chain_set *set, struct chain_link *link, const uint8_t *body,
                    size_t size);

/* The signature under the link's span: where it stands and the seq that it signs; NULL when the
 * author has signed nothing in that span at or after `seq`. */
const uint8_t *chain_signature_after(const struct chain_set *set, uint32_t chain, uint64_t seq,
                                     uint64_t *ret_signed);

/* Records a fork at `seq` with `theirs` against our own links. Returns CHAIN_FORKED or CHAIN_KNOWN,
 * or -ENOSPC without room for the evidence. */
MUST_USE int chain_record_fork(struct chain_set *set, uint32_t chain, uint64_t seq,
                               const struct chain_branch *theirs);

/* hash(fork - 1) as the evidence of the chain's fork has it. */
struct digest chain_fork_before(const struct chain_set *set, const struct chain_record *record);
