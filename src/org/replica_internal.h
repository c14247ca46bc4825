/* What the parts of the replica share: replica.c (taking and giving), replica_checkpoint.c. */
#pragma once

#include "org/checkpoint.h"
#include "org/replica.h"

/* What an index slot stands for. */
struct place {
    uint8_t kind; /* enum replica_parcel */
    uint32_t number;
};

/* What the index says about a chain, to see whether it still does. */
struct listed {
    uint64_t seq;
    uint64_t fork;
    struct digest hash;
    bool present;
};

struct replica_checkpoint {
    bool used;
    bool effective;
    bool listed;
    struct digest id; /* SHA-256 of the signed bytes */
    struct checkpoint_statement statement;
};

struct replica_segment {
    struct digest digest;
    uint32_t place; /* of its bytes in the chain set */
    uint32_t size;
    bool listed;
};

/* Where the segments of a new checkpoint are written. */
struct replica_packer {
    int (*emit)(void *context, const uint8_t *bytes, size_t size);
    void *context;
    struct checkpoint_statement *statement;
    struct output o;     /* kind byte and groups so far */
    struct output group; /* the kept entries of the group under way */
    uint32_t group_count;
    uint64_t group_seq;
    const struct chain_view *chain;
    uint8_t bytes[1 + CHECKPOINT_SEGMENT_SIZE_MAX];
    uint8_t group_bytes[CHECKPOINT_SEGMENT_SIZE_MAX];
};

/* What is too large for a stack; nothing in it outlives a call. */
struct replica_scratch {
    struct checkpoint_statement statement;
    struct replica_packer packer;
    uint8_t parcel[REPLICA_PARCEL_MAX];
};

struct replica {
    struct digest org;
    struct replica_counters counters;
    struct revoke_set *revocations;
    struct chain_set *chains;
    struct tree *tree;
    struct leaf_set *leaves;
    struct index *index;
    struct place *places;
    struct listed *listed; /* by chain */
    bool *leaf_listed;     /* by slot of the leaf set */
    bool *marks;           /* scratch: by link */
    bool *named;           /* scratch: by chain */
    struct replica_scratch *scratch;
    struct replica_segment *segments;
    uint32_t segments_max;
    uint32_t segment_count;
    uint8_t (*noted)[32]; /* of replica_load(): revoked admins */
    uint32_t noted_max;
    uint32_t noted_count;
    uint32_t found; /* the chain whose fork the last parcel showed; CHAIN_NONE */
    uint32_t links_seen;
    bool bodies_missing;
    bool stale;
    bool incomplete;
    bool (*verify)(void *context, const uint8_t *key, const void *message, size_t size,
                   const uint8_t *signature);
    void *context;
    struct replica_checkpoint checkpoints[REPLICA_CHECKPOINTS_MAX];
};

bool replica_verify(void *context, const uint8_t *key, const void *message, size_t size,
                    const uint8_t *signature);
void replica_put_element(struct replica *r, const struct digest *key, const struct digest *value,
                         uint8_t kind, uint32_t number);

/* As replica_take(), without the kind byte. */
int replica_take_checkpoint(struct replica *r, const uint8_t *bytes, size_t size);
int replica_take_segment(struct replica *r, const uint8_t *bytes, size_t size);

/* The whole parcel. 0 or -ENOSPC. */
int replica_pack_checkpoint(const struct replica *r, uint32_t number, struct output *o);
int replica_pack_segment(const struct replica *r, uint32_t number, struct output *o);

/* Works out which checkpoints are in effect, and lists what is to be listed. True when that
 * changed. */
bool replica_update_checkpoints(struct replica *r);
