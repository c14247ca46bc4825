/* One node's copy of the org's state: chains, revocations and owned leaves, the trees over them,
 * and the index by which nodes compare. Pure: the owner moves bytes, keeps time and writes to disk.
 *
 * What travels between replicas (an ELEMENT of sync.h, a record of store.h) is a *parcel*:
 *
 *   parcel = kind:u8, body
 *   1 batch (chain.h), 2 evidence of a fork (chain.h), 3 revocation (revoke.h), 4 leaves (leaf.h),
 *   5 checkpoint, 6 segment of one (checkpoint.h)
 *
 * The elements of the index; H is SHA-256, and each text ends with its zero byte:
 *
 *   chain       key H("broch element chain" author instance:le64)
 *               value H("broch head element 1" author instance:le64 listed:le64 hash(listed)
 *                       fork:le64), for authors who have a scope and chains that have an entry
 *                       or a fork
 *   revocation  key and value H("broch element revocation" statement without its signature)
 *   leaves      key H("broch element leaves" node), value leaf_digest(), for members
 *   checkpoint  key and value H("broch element checkpoint" statement without its signature), for
 *               those that neither a revocation of their signer nor another checkpoint has ended
 *   segment     key and value H("broch element segment" SHA-256 of it), when such a checkpoint has
 * it
 *
 * The root of the index is the root of the state: two replicas with equal roots hold the same valid
 * entries, and so fold the same trees. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "org/chain.h"
#include "org/checkpoint.h"
#include "org/leaf.h"
#include "org/revoke.h"
#include "org/store.h"
#include "org/sync.h"
#include "org/tree.h"

enum {
    REPLICA_PARCEL_MAX = 1 + CHAIN_BATCH_BYTES_MAX + ENTRY_SIZE_MAX + 8192,
    REPLICA_BASE_SEARCH_MAX = 4096, /* how far back the head that a peer has is looked for */
    REPLICA_UNASKED_MAX = 64,       /* entries given at once to a peer that may have newer ones */
    REPLICA_CHECKPOINTS_MAX = CHAIN_CHECKPOINTS_MAX,
    REPLICA_LOADS_MAX = 16, /* passes over the disk */
};

enum replica_parcel {
    REPLICA_BATCH = 1,
    REPLICA_EVIDENCE = 2,
    REPLICA_REVOCATION = 3,
    REPLICA_LEAVES = 4,
    REPLICA_CHECKPOINT = 5,
    REPLICA_SEGMENT = 6,
};

struct replica_limits {
    struct chain_limits chains;
    uint32_t nodes_max;
    uint32_t revocations_max;
    uint32_t covers_max;
    uint32_t segments_max; /* of checkpoints */
};

/* What a replica counts for status, alarms and tests; never reset. */
struct replica_counters {
    uint64_t taken; /* parcels with something new */
    uint64_t known;
    uint64_t strangers; /* of authors without a scope, nodes that are no members */
    uint64_t forged;    /* bad signatures */
    uint64_t malformed;
    uint64_t over_quota;
    uint64_t full;  /* a capacity of ours */
    uint64_t gaps;  /* something before it was missing, or another past was signed */
    uint64_t forks; /* found or learned */
    uint64_t voids; /* above a frontier or fork */
};

struct replica;

struct replica_setup {
    struct replica_limits limits;
    struct digest org;    /* org id */
    const uint8_t *roots; /* root_count keys of the genesis document; copied */
    size_t root_count;
    uint8_t salt[DIGEST_SALT_SIZE]; /* of the index, the same in the whole org */
    bool (*verify)(void *context, const uint8_t *key, const void *message, size_t size,
                   const uint8_t *signature);
    void *context;
};

/* Allocates everything. Returns 0 or -ENOMEM. */
MUST_USE int replica_new(const struct replica_setup *setup, struct replica **ret);
struct replica *replica_free(struct replica *r);

/* Takes one parcel: of a peer, or of our own disk at start. Returns 1 when it changed something
 * (then it is for the disk, as it is), 0 when it did not, or a negative errno as the module says
 * whose it is: -EBADMSG, -EKEYREJECTED, -EDQUOT, -ENOSPC; -EACCES for a stranger. */
MUST_USE int replica_take(struct replica *r, const uint8_t *bytes, size_t size);

/* After replica_take() returned 1: when that was a batch that showed a fork, writes the evidence,
 * which is for the disk too, because the batch may be nothing but void when it is read again.
 * Returns 1 when it wrote, 0 when there is none, -ENOSPC. */
MUST_USE int replica_found(struct replica *r, struct output *o);

/* To be called after our own chain was appended to and sealed. Writes the parcel that is for the
 * disk first and for the peers then. Returns 0 or -ENOSPC. */
MUST_USE int replica_wrote(struct replica *r, uint32_t chain, uint64_t first, struct output *o);

/* Takes all that a store holds, in as many passes as it needs: what is refused because its ground
 * comes later is taken the next time. Returns 0; 1 when checkpoints were left out because their
 * signer is revoked: entries that they stood for may be missing, our own too, so the owner draws a
 * new instance, as after a restored disk; -EUCLEAN when the store is damaged or holds what nobody
 * can have written; or -ENOSPC. */
MUST_USE int replica_load(struct replica *r, const struct store *s);

/* True when a checkpoint ended on which this replica was built, because its signer was revoked: its
 * trees miss entries. The owner makes a new replica and loads it; what was dropped comes from
 * peers. */
bool replica_stale(const struct replica *r);

/* True when the disk holds entries that could not be taken because something before them is
 * missing: a checkpoint that stood for it ended with its signer. Peers may have it. The owner loads
 * the disk anew after a session that ended in equal roots, and makes no smaller disk until then. */
bool replica_incomplete(const struct replica *r);

/* Makes a checkpoint of everything that is valid here: fills *ret but for its signature, and calls
 * emit() with the parcel of each segment (a second call after the statement was taken gives the
 * same ones; without emit they are only counted). Returns 0, -E2BIG when it would be too large,
 * -ENOENT without chains, -ESTALE, or what emit() returned. */
MUST_USE int replica_checkpoint(struct replica *r, const uint8_t signer[static 32], uint64_t stamp,
                                int (*emit)(void *context, const uint8_t *bytes, size_t size),
                                void *context, struct checkpoint_statement *ret);

/* Calls emit() with parcels that make this replica again, without what checkpoints have voided: for
 * a new, smaller disk. Returns 0, or what emit() returned; -ESTALE for a replica that is stale or
 * incomplete, because its disk has more than it knows. */
MUST_USE int replica_write_all(struct replica *r,
                               int (*emit)(void *context, const uint8_t *bytes, size_t size),
                               void *context);

/* The first() of struct sync_owner: what others stand on. */
bool replica_gives_first(void *context, uint32_t slot);

/* The give() of struct sync_owner. Its take() is the daemon's: replica_take(), then the disk; of
 * its errors only -EBADMSG and -EKEYREJECTED are the peer's offence, for what is refused otherwise
 * may build on something that has not come yet. */
int replica_give(void *context, uint32_t slot, const struct sync_peer *peer, uint64_t *progress,
                 struct output *o);

struct digest replica_root(struct replica *r);
struct chain_set *replica_chains(struct replica *r);
struct tree *replica_tree(struct replica *r);
struct leaf_set *replica_leaves(struct replica *r);
struct index *replica_index(struct replica *r);
const struct replica_counters *replica_counters(const struct replica *r);

/* A member is a node with a `member` document that exists and no revocation. */
bool replica_is_member(struct replica *r, const uint8_t node[static 32]);
