/* Whole replicas that talk through sync sessions, with disks that crash: shared by the tests of the
 * replica. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "org/org_test.h"
#include "org/replica.h"
#include "org/store_memory.h"

enum { NODES = 4, VALUES_MAX = 64, DISK_BYTES = 1 << 20, DISK_PARCELS = 4000 };

static const struct sync_limits sync_limits = { 200, 200, 200 };

/* A replica, the session it takes part in, and its disk. */
struct node {
    struct replica *replica;
    struct sync *sync;
    struct store_memory *disk;
    struct store_memory *image; /* an old copy of the disk */
    uint64_t instance;
    uint64_t leaf_seq;
};

static inline bool verify_toy(void *context, const uint8_t *key, const void *message, size_t size,
                              const uint8_t *signature)
{
    return test_verify(NULL, key, message, size, signature);
}

static const uint8_t salt[DIGEST_SALT_SIZE] = { 's' };

static inline int try_replica(struct replica **ret)
{
    struct test_key root = test_key(0);
    struct replica_setup setup = {
        .limits = { .chains = { .chains_max = 40,
                                .entries_max = 1500,
                                .bytes_max = 400000,
                                .evidence_max = 40,
                                .author_chains_max = 20,
                                .chain_entries_max = 900,
                                .chain_bytes_max = 300000 },
                    .nodes_max = 8,
                    .revocations_max = 40,
                    .covers_max = 512,
                    .segments_max = 64 },
        .org = { { 0x0f } },
        .roots = root.bytes,
        .root_count = 1,
        .verify = verify_toy,
    };

    memcpy(setup.salt, salt, sizeof(salt));
    return replica_new(&setup, ret);
}

static inline struct replica *open_replica(void)
{
    struct replica *r;

    CHECK(try_replica(&r) == 0);
    return r;
}

static inline void keep(struct node *n, const uint8_t *bytes, size_t size)
{
    struct store disk = store_memory_store(n->disk);

    CHECK(store_append(&disk, bytes, size) == 0);
}

/* Before anything leaves the node. */
static inline void commit(struct node *n)
{
    struct store disk = store_memory_store(n->disk);

    CHECK(store_commit(&disk) == 0);
}

/* What changed something goes to the disk. */
static inline int keep_and_take(void *context, const uint8_t *bytes, size_t size)
{
    uint8_t evidence[1 + CHAIN_EVIDENCE_MAX];
    struct output o = output_make(evidence, sizeof(evidence));
    struct node *n = context;
    int r = replica_take(n->replica, bytes, size);

    if (r == 1)
        keep(n, bytes, size);
    if (r == 1 && replica_found(n->replica, &o) == 1)
        keep(n, evidence, o.size);
    return r < 0 ? r : 0;
}

static inline int accept_and_keep(void *context, const uint8_t *bytes, size_t size)
{
    int r = keep_and_take(context, bytes, size);

    CHECK(r != -EBADMSG && r != -EKEYREJECTED); /* everybody here speaks the language */
    return 0;
}

static inline int give_from(void *context, uint32_t slot, const struct sync_peer *peer,
                            uint64_t *progress, struct output *o)
{
    struct node *n = context;

    return replica_give(n->replica, slot, peer, progress, o);
}

static inline bool first_of(void *context, uint32_t slot)
{
    struct node *n = context;

    return replica_gives_first(n->replica, slot);
}

static inline void open_session(struct node *n)
{
    struct sync_owner owner = {
        .give = give_from, .take = accept_and_keep, .first = first_of, .context = n
    };

    owner.index = replica_index(n->replica);
    CHECK(sync_new(&sync_limits, &owner, &n->sync) == 0);
}

static inline void open_node(struct node *n, uint64_t instance)
{
    memset(n, 0, sizeof(*n));
    n->replica = open_replica();
    n->instance = instance;
    CHECK(store_memory_new(DISK_BYTES, DISK_PARCELS, &n->disk) == 0);
    CHECK(store_memory_new(DISK_BYTES, DISK_PARCELS, &n->image) == 0);
    open_session(n);
}

static inline void close_node(struct node *n)
{
    (void)sync_free(n->sync);
    (void)replica_free(n->replica);
    (void)store_memory_free(n->disk);
    (void)store_memory_free(n->image);
}

/* A new replica from what the disk holds. */
static inline void load(struct node *n)
{
    struct store disk = store_memory_store(n->disk);
    int r;

    (void)sync_free(n->sync);
    (void)replica_free(n->replica);
    n->replica = open_replica();
    r = replica_load(n->replica, &disk);
    CHECK(r >= 0);
    n->instance += r == 1 ? 100 : 0; /* our own entries may be missing */
    CHECK(!replica_stale(n->replica));
    open_session(n);
}

/* A power cut: what was not committed is gone, the rest is read back. */
static inline void crash(struct node *n)
{
    store_memory_crash(n->disk);
    load(n);
}

/* Writes and seals one entry and hands it to the replica and the log. */
static inline int write_as(struct node *n, unsigned key, uint64_t instance, struct entry *e)
{
    static uint8_t bytes[REPLICA_PARCEL_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct test_key author = test_key(key);
    struct tree_writer writer = { author.bytes, instance };
    struct chain_set *chains = replica_chains(n->replica);
    uint32_t chain;
    int count, r;

    count =
        tree_context(replica_tree(n->replica), e->kind, e->key, e->key_size, &writer, e->context);
    CHECK(count >= 0);
    e->context_count = (uint8_t)count;
    r = test_append(chains, &author, instance, e, true);
    if (r < 0)
        return r;
    chain = chain_find(chains, author.bytes, instance);
    CHECK(replica_wrote(n->replica, chain, chain_at(chains, chain)->held, &o) == 0);
    keep(n, bytes, o.size);
    return 0;
}

static inline void grant(struct node *n, unsigned key, uint32_t scope)
{
    struct test_key admin = test_key(key);
    uint8_t mask[4] = { (uint8_t)scope };
    struct entry e = { .operation = ENTRY_ADD,
                       .kind = RECORD_ADMIN,
                       .key = admin.bytes,
                       .key_size = 32,
                       .field = RECORD_ADMIN_SCOPE,
                       .value = mask,
                       .value_size = 4 };

    CHECK(write_as(n, 0, 1, &e) == 0);
}

static inline void enrol(struct node *n, unsigned admin, unsigned node)
{
    struct test_key key = test_key(node);
    struct entry e = { .operation = ENTRY_SET,
                       .kind = RECORD_MEMBER,
                       .key = key.bytes,
                       .key_size = 32,
                       .field = RECORD_MEMBER_NAME,
                       .value = (const uint8_t *)"node",
                       .value_size = 4 };

    CHECK(write_as(n, admin, admin == 0 ? 1 : n->instance, &e) == 0);
}

static inline int set(struct node *n, unsigned admin, uint64_t instance, const char *key,
                      unsigned field, uint64_t stamp)
{
    char value[24];
    struct entry e;

    (void)snprintf(value, sizeof(value), "%u %llu", admin, (unsigned long long)stamp);
    e = test_entry(ENTRY_SET, key, field, value, stamp);
    return write_as(n, admin, instance, &e);
}

static inline void say(struct node *n, unsigned node, uint64_t instance, uint64_t seq,
                       const char *value)
{
    struct test_key key = test_key(node);
    uint8_t bytes[1 + LEAF_SIZE_MAX], message[LEAF_MESSAGE_SIZE], signature[64] = { 0 };
    struct digest org = { { 0x0f } };
    struct leaf_statement s = {
        .node = key.bytes, .signature = signature, .instance = instance, .seq = seq, .count = 1
    };
    size_t size;

    s.leaves[0] = (struct leaf_value){ .kind = RECORD_VERDICT,
                                       .key = (const uint8_t *)"g1",
                                       .key_size = 2,
                                       .value = (const uint8_t *)value,
                                       .value_size = (uint32_t)strlen(value) };
    bytes[0] = REPLICA_LEAVES;
    CHECK(leaf_encode(&s, bytes + 1, &size) == 0);
    CHECK(leaf_decode(bytes + 1, size, &s) == 0);
    leaf_message(&s, &org, message);
    test_sign(key.bytes, message, sizeof(message), bytes + 1 + size - 64);
    if (replica_take(n->replica, bytes, size + 1) == 1)
        keep(n, bytes, size + 1);
}

static inline int revoke_key(struct node *n, unsigned revoker, uint8_t role, unsigned subject)
{
    struct test_key by = test_key(revoker), key = test_key(subject);
    struct chain_set *chains = replica_chains(n->replica);
    struct revoke_statement s = { .role = role, .stamp = store_memory_commits(n->disk) };
    struct digest org = { { 0x0f } };
    uint8_t bytes[1 + REVOKE_SIZE_MAX];
    size_t size;
    int r;

    memcpy(s.revoker, by.bytes, 32);
    memcpy(s.subject, key.bytes, 32);
    for (uint64_t instance = 1; role == REVOKE_ADMIN && instance < 3000; instance++) {
        uint32_t chain = chain_find(chains, key.bytes, instance);
        uint64_t seq = chain == CHAIN_NONE ? 0 : chain_listed(chains, chain);

        if (seq > 0 && s.frontier_count < REVOKE_FRONTIERS_MAX)
            s.frontiers[s.frontier_count++] = (struct revoke_frontier){
                .instance = instance, .seq = seq, .hash = chain_listed_hash(chains, chain)
            };
    }
    test_revocation_sign(&s, &org);
    bytes[0] = REPLICA_REVOCATION;
    CHECK(revoke_encode(&s, bytes + 1, &size) == 0);
    r = replica_take(n->replica, bytes, size + 1);
    if (r == 1)
        keep(n, bytes, size + 1);
    return r;
}

/* One session; after `cut` messages the line is dead. Returns true when both found equal roots. */
static inline bool talk(struct node *a, struct node *b, unsigned cut)
{
    static uint8_t bytes[SYNC_MESSAGE_SIZE_MAX];

    sync_open(a->sync, salt, NULL);
    sync_listen(b->sync, salt, false);
    for (unsigned i = 0; i < cut; i++) {
        struct output o = output_make(bytes, sizeof(bytes));
        struct node *to = b;

        commit(a);
        commit(b);
        if (sync_send(a->sync, &o) == 0) {
            to = a;
            if (sync_send(b->sync, &o) == 0)
                break;
        }
        CHECK(sync_receive(to->sync, bytes, o.size) == 0);
    }
    return sync_state(a->sync) == SYNC_EQUAL && sync_state(b->sync) == SYNC_EQUAL;
}

static inline void check_same(struct node *a, struct node *b)
{
    static struct crdt_value values[VALUES_MAX];
    struct digest ra = replica_root(a->replica), rb = replica_root(b->replica);
    struct digest ta, tb;

    CHECK(memcmp(&ra, &rb, sizeof(ra)) == 0);
    ta = tree_digest(replica_tree(a->replica), values, VALUES_MAX);
    tb = tree_digest(replica_tree(b->replica), values, VALUES_MAX);
    CHECK(memcmp(&ta, &tb, sizeof(ta)) == 0);
}

/* What a daemon does when a checkpoint ended on which its replica was built. */
static inline void rebuild(struct node *n)
{
    commit(n);
    if (replica_stale(n->replica) || replica_incomplete(n->replica))
        load(n);
}

/* Everybody talks to everybody until all roots are equal; a bounded number of rounds is enough. */
static inline void converge(struct node *nodes)
{
    bool equal = false;

    for (unsigned round = 0; !equal; round++) {
        CHECK(round < 12);
        equal = true;
        for (unsigned a = 0; a < NODES; a++) {
            for (unsigned b = 0; b < NODES; b++) {
                if (a == b)
                    continue;
                equal &= talk(&nodes[a], &nodes[b], 100000);
                rebuild(&nodes[a]);
                rebuild(&nodes[b]);
            }
        }
    }
    for (unsigned i = 1; i < NODES; i++)
        check_same(&nodes[0], &nodes[i]);
}

/* What the disk holds, taken again in its order, is the same replica. */
static inline void check_disk(struct node *n)
{
    static struct crdt_value values[VALUES_MAX];
    struct digest root = replica_root(n->replica), trees, again;

    trees = tree_digest(replica_tree(n->replica), values, VALUES_MAX);
    commit(n);
    load(n);
    again = replica_root(n->replica);
    CHECK(memcmp(&root, &again, sizeof(root)) == 0);
    again = tree_digest(replica_tree(n->replica), values, VALUES_MAX);
    CHECK(memcmp(&trees, &again, sizeof(trees)) == 0);
}

static inline void open_org(struct node *nodes)
{
    for (unsigned i = 0; i < NODES; i++)
        open_node(&nodes[i], 10 + i);
    grant(&nodes[0], 1, RECORD_SCOPE_CONFIG | RECORD_SCOPE_ROSTER | RECORD_SCOPE_REVOKE);
    grant(&nodes[0], 2, RECORD_SCOPE_CONFIG | RECORD_SCOPE_ROSTER);
    grant(&nodes[0], 3, RECORD_SCOPE_CONFIG);
    for (unsigned i = 0; i < NODES; i++)
        enrol(&nodes[0], 0, 20 + i);
    for (unsigned i = 1; i < NODES; i++)
        (void)talk(&nodes[0], &nodes[i], 100000);
}

static inline void close_org(struct node *nodes)
{
    for (unsigned i = 0; i < NODES; i++)
        close_node(&nodes[i]);
}

/* A checkpoint of what the node has, signed and put into effect there. */
static inline int checkpoint(struct node *n, unsigned signer)
{
    static struct checkpoint_statement s;
    static uint8_t bytes[1 + CHECKPOINT_SIZE_MAX];
    struct test_key key = test_key(signer);
    uint8_t message[CHECKPOINT_MESSAGE_SIZE];
    struct digest org = { { 0x0f } };
    size_t size;
    int r;

    r = replica_checkpoint(n->replica, key.bytes, store_memory_commits(n->disk), NULL, NULL, &s);
    if (r < 0)
        return r;
    CHECK(checkpoint_message(&s, &org, message) == 0);
    test_sign(key.bytes, message, sizeof(message), s.signature);
    bytes[0] = REPLICA_CHECKPOINT;
    CHECK(checkpoint_encode(&s, bytes + 1, &size) == 0);
    r = keep_and_take(n, bytes, size + 1);
    if (r == 0 && s.segment_count > 0)
        r = replica_checkpoint(n->replica, key.bytes, s.stamp, keep_and_take, n, &s);
    return r;
}

static inline int append_to(void *context, const uint8_t *bytes, size_t size)
{
    struct store *disk = context;

    return store_append(disk, bytes, size);
}

/* Drops from disk and memory what checkpoints have voided. */
static inline void compact(struct node *n)
{
    struct store_memory *smaller;
    struct store disk;

    rebuild(n);
    if (replica_incomplete(n->replica)) /* its disk has what only peers can make readable */
        return;
    CHECK(store_memory_new(DISK_BYTES, DISK_PARCELS, &smaller) == 0);
    disk = store_memory_store(smaller);
    CHECK(replica_write_all(n->replica, append_to, &disk) == 0);
    CHECK(store_commit(&disk) == 0);
    CHECK(store_memory_restore(n->disk, smaller) == 0);
    (void)store_memory_free(smaller);
    load(n);
}
