#include <errno.h>
#include <string.h>

#include "org/replica_internal.h"
#include "state_world.h"

static struct entry entry_of(const struct state_world *w, uint16_t node,
                             const struct state_draft *draft, const struct test_key *subject)
{
    struct entry e = { .operation = draft->operation,
                       .kind = draft->kind,
                       .stamp = (uint64_t)((int64_t)w->now_ms + 1000000 + w->nodes[node].skew_ms)
                                << 16,
                       .field = draft->field,
                       .value = draft->value,
                       .value_size = draft->value_size };

    if (draft->kind == RECORD_ADMIN || draft->kind == RECORD_MEMBER) {
        e.key = subject->bytes;
        e.key_size = sizeof(subject->bytes);
    } else {
        e.key = (const uint8_t *)state_keys[draft->key];
        e.key_size = (uint8_t)strlen(state_keys[draft->key]);
    }
    if (draft->kind == 4242) { /* of a later version */
        e.extension = (const uint8_t *)"more";
        e.extension_size = 4;
    }
    return e;
}

/* What the author sees of this key: of each other chain all up to the last entry that counts here,
 * and of its own everything. */
static void note_seen(struct state_world *w, uint16_t node, struct state_write *write)
{
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *last = &w->written[i];
        bool own = last->author == write->author && last->instance == write->instance;

        if (last->kind != write->kind || last->key != write->key ||
            (!own && !state_counts(w, node, i)))
            continue;
        for (uint32_t k = 0; k < w->writes; k++) {
            const struct state_write *seen = &w->written[k];

            if (seen->kind == write->kind && seen->key == write->key &&
                seen->author == last->author && seen->instance == last->instance &&
                seen->seq <= last->seq && !(own && seen->seq >= write->seq))
                state_bit_set(&write->seen, k);
        }
    }
}

static void record(struct state_world *w, uint16_t node, const struct state_draft *draft,
                   const struct entry *e, uint32_t chain)
{
    struct state_write *write = &w->written[w->writes];
    struct chain_set *chains = replica_chains(w->nodes[node].replica);
    uint64_t seq = chain_at(chains, chain)->held;

    *write = (struct state_write){
        .author = draft->author,
        .node = node,
        .kind = draft->kind,
        .operation = draft->operation,
        .key = draft->key,
        .value_size = draft->value_size,
        .field = draft->field,
        .instance = draft->instance,
        .seq = seq,
        .stamp = e->stamp,
        .digest = chain_link_at(chains, chain_link_find(chains, chain, seq))->digest
    };
    memcpy(write->value, draft->value, sizeof(write->value));
    note_seen(w, node, write);
    w->writes++;
}

/* What a restored disk had, and is now written again at the same place, is another write. */
int state_write(struct state_world *w, uint16_t node, const struct state_draft *draft)
{
    static uint8_t bytes[REPLICA_PARCEL_MAX];
    struct output o = output_make(bytes, sizeof(bytes));
    struct replica *r = w->nodes[node].replica;
    struct test_key author = test_key(draft->author), subject = test_key(draft->key);
    struct entry e = entry_of(w, node, draft, &subject);
    struct tree_writer writer = { author.bytes, draft->instance };
    uint32_t chain;
    int count, result;

    if (w->writes == STATE_WRITES_MAX)
        return -ENOSPC;
    if (draft->kind == RECORD_MEMBER) {
        subject = test_key((unsigned)(STATE_MEMBER_FIRST + draft->key));
        e.key = subject.bytes;
    }
    count = tree_context(r->tree, e.kind, e.key, e.key_size, &writer, e.context);
    if (count < 0)
        return count; /* more chains than an entry can name */
    e.context_count = (uint8_t)count;
    result = test_append(r->chains, &author, draft->instance, &e, true);
    if (result < 0)
        return result;
    chain = chain_find(r->chains, author.bytes, draft->instance);
    result = replica_wrote(r, chain, chain_at(r->chains, chain)->held, &o);
    CHECK(result == 0);
    state_keep(w, node, bytes, o.size);
    record(w, node, draft, &e, chain);
    return 0;
}

int state_grant(struct state_world *w, uint16_t admin, uint32_t scope)
{
    struct state_draft draft = { .author = 0,
                                 .instance = w->nodes[0].instance,
                                 .kind = RECORD_ADMIN,
                                 .operation = ENTRY_ADD,
                                 .key = (uint8_t)admin,
                                 .field = RECORD_ADMIN_SCOPE,
                                 .value_size = 4,
                                 .value = { (uint8_t)scope } };

    return state_write(w, 0, &draft);
}

int state_enrol(struct state_world *w, uint16_t member)
{
    struct state_draft draft = { .author = 0,
                                 .instance = w->nodes[0].instance,
                                 .kind = RECORD_MEMBER,
                                 .operation = ENTRY_SET,
                                 .key = (uint8_t)member,
                                 .field = RECORD_MEMBER_NAME,
                                 .value_size = 4,
                                 .value = "node" };

    return state_write(w, 0, &draft);
}

void state_say(struct state_world *w, uint16_t node, uint16_t member, uint64_t seq, uint8_t value)
{
    struct test_key key = test_key((unsigned)(STATE_MEMBER_FIRST + member));
    uint8_t bytes[1 + LEAF_SIZE_MAX], message[LEAF_MESSAGE_SIZE], signature[64] = { 0 };
    struct digest org = state_org();
    struct leaf_statement s = { .node = key.bytes,
                                .signature = signature,
                                .instance = w->nodes[member].instance,
                                .seq = seq,
                                .count = 1 };
    size_t size;
    int r;

    s.leaves[0] = (struct leaf_value){ .kind = RECORD_VERDICT,
                                       .key = (const uint8_t *)"g1",
                                       .key_size = 2,
                                       .value = &value,
                                       .value_size = 1 };
    bytes[0] = REPLICA_LEAVES;
    r = leaf_encode(&s, bytes + 1, &size);
    CHECK(r == 0);
    r = leaf_decode(bytes + 1, size, &s);
    CHECK(r == 0);
    leaf_message(&s, &org, message);
    test_sign(key.bytes, message, sizeof(message), bytes + 1 + size - LEAF_SIGNATURE_SIZE);
    (void)state_take(w, node, bytes, size + 1); /* a stranger where it is revoked or unknown */
}

/* Names the last entries of the subject's chains that this node knows. */
int state_revoke(struct state_world *w, uint16_t node, uint8_t role, uint16_t subject)
{
    struct test_key by = test_key(0), key = test_key(subject);
    struct chain_set *chains = replica_chains(w->nodes[node].replica);
    struct revoke_statement s = { .role = role, .stamp = w->now_ms };
    struct digest org = state_org();
    uint8_t bytes[1 + REVOKE_SIZE_MAX];
    size_t size;
    int r;

    memcpy(s.revoker, by.bytes, sizeof(s.revoker));
    memcpy(s.subject, key.bytes, sizeof(s.subject));
    for (uint64_t instance = 1; role == REVOKE_ADMIN && instance <= w->instances; instance++) {
        uint32_t chain = chain_find(chains, key.bytes, instance);
        uint64_t seq = chain == CHAIN_NONE ? 0 : chain_listed(chains, chain);

        if (seq > 0 && s.frontier_count < REVOKE_FRONTIERS_MAX)
            s.frontiers[s.frontier_count++] = (struct revoke_frontier){
                .instance = instance, .seq = seq, .hash = chain_listed_hash(chains, chain)
            };
    }
    test_revocation_sign(&s, &org);
    bytes[0] = REPLICA_REVOCATION;
    r = revoke_encode(&s, bytes + 1, &size);
    CHECK(r == 0);
    return state_take(w, node, bytes, size + 1);
}

/* Where the parcels of a new checkpoint go, and the world's record of it. */
struct maker {
    struct state_world *world;
    struct state_checkpoint *record;
    uint16_t node;
};

static void note_kept(struct state_world *w, struct state_checkpoint *c,
                      const struct checkpoint_kept *kept)
{
    struct digest digest = digest_bytes(kept->body, kept->body_size);

    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *write = &w->written[i];
        struct test_key key = test_key(write->author);

        if (write->instance == kept->instance && write->seq == kept->seq &&
            memcmp(key.bytes, kept->author, sizeof(key.bytes)) == 0 &&
            memcmp(write->digest.bytes, digest.bytes, DIGEST_SIZE) == 0)
            state_bit_set(&c->kept, i);
    }
}

static int take_segment(void *context, const uint8_t *bytes, size_t size)
{
    struct maker *m = context;
    struct checkpoint_reader reader = checkpoint_read(bytes + 1, size - 1);
    struct checkpoint_kept kept;
    int r = state_take(m->world, m->node, bytes, size);

    while (checkpoint_next(&reader, &kept) > 0)
        note_kept(m->world, m->record, &kept);
    return r == -ENOSPC || r == -EACCES ? r : 0;
}

int state_make_checkpoint(struct state_world *w, uint16_t node, uint16_t signer)
{
    static uint8_t bytes[1 + CHECKPOINT_SIZE_MAX];
    struct state_checkpoint *c = &w->checkpoints[w->checkpoint_count];
    struct maker maker = { w, c, node };
    struct replica *r = w->nodes[node].replica;
    struct test_key key = test_key(signer);
    uint8_t message[CHECKPOINT_MESSAGE_SIZE];
    struct digest org = state_org();
    size_t size;
    int result;

    if (w->checkpoint_count == STATE_CHECKPOINTS_MAX)
        return -ENOSPC;
    memset(c, 0, sizeof(*c));
    result = replica_checkpoint(r, key.bytes, w->now_ms, NULL, NULL, &c->statement);
    if (result < 0)
        return result;
    result = checkpoint_message(&c->statement, &org, message);
    CHECK(result == 0);
    memcpy(c->id.bytes, message + sizeof(message) - DIGEST_SIZE, DIGEST_SIZE);
    test_sign(key.bytes, message, sizeof(message), c->statement.signature);
    bytes[0] = REPLICA_CHECKPOINT;
    result = checkpoint_encode(&c->statement, bytes + 1, &size);
    CHECK(result == 0);
    result = state_take(w, node, bytes, size + 1);
    if (result != 1)
        return result;
    w->checkpoint_count++;
    w->counts[STATE_COUNT_KEPT]++;
    return replica_checkpoint(r, key.bytes, c->statement.stamp, take_segment, &maker,
                              &c->statement);
}
