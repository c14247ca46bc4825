#include "org/replica.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"
#include "org/ids.h"
#include "org/replica_internal.h"

enum { MEMBER_VALUES_MAX = 32 };

bool replica_verify(void *context, const uint8_t *key, const void *message, size_t size,
                    const uint8_t *signature)
{
    struct replica *r = context;

    return r->verify(r->context, key, message, size, signature);
}

static bool admits_author(void *context, const uint8_t *author)
{
    struct replica *r = context;

    return tree_scope(r->tree, author) != 0;
}

bool replica_is_member(struct replica *r, const uint8_t node[static 32])
{
    struct crdt_value values[MEMBER_VALUES_MAX];
    struct crdt_document d = { .values = values, .capacity = MEMBER_VALUES_MAX };

    if (revoke_set_covers(r->revocations, REVOKE_NODE, node))
        return false;
    return tree_read(r->tree, RECORD_MEMBER, node, 32, &d) == 0 && d.exists;
}

static bool admits_node(void *context, const uint8_t *node)
{
    return replica_is_member(context, node);
}

static uint32_t elements_max(const struct replica_limits *limits)
{
    return limits->chains.chains_max + limits->nodes_max + limits->revocations_max +
           REPLICA_CHECKPOINTS_MAX + limits->segments_max;
}

int replica_new(const struct replica_setup *setup, struct replica **ret)
{
    const struct replica_limits *limits = &setup->limits;
    struct replica *r = heap_take(1, sizeof(*r));
    struct chain_rules chain_rules = { replica_verify, admits_author, r };
    struct leaf_rules leaf_rules = { replica_verify, admits_node, r };

    if (!r)
        return -ENOMEM;
    r->org = setup->org;
    r->found = CHAIN_NONE;
    r->verify = setup->verify;
    r->context = setup->context;
    r->places = heap_take(elements_max(limits), sizeof(r->places[0]));
    r->listed = heap_take(limits->chains.chains_max, sizeof(r->listed[0]));
    r->leaf_listed = heap_take(limits->nodes_max + 1u, sizeof(r->leaf_listed[0]));
    r->segments_max = limits->segments_max;
    r->segments = heap_take(limits->segments_max + 1u, sizeof(r->segments[0]));
    r->marks = heap_take(limits->chains.entries_max, sizeof(r->marks[0]));
    r->named = heap_take(limits->chains.chains_max, sizeof(r->named[0]));
    r->noted_max = limits->revocations_max;
    r->noted = heap_take(limits->revocations_max + 1u, sizeof(r->noted[0]));
    r->scratch = heap_take(1, sizeof(*r->scratch));
    if (!r->places || !r->listed || !r->leaf_listed || !r->segments || !r->marks || !r->named ||
        !r->noted || !r->scratch || revoke_set_new(limits->revocations_max, &r->revocations) < 0 ||
        tree_new(&limits->chains, limits->covers_max, setup->roots, setup->root_count, &r->tree) <
            0 ||
        chain_set_new(&limits->chains, &chain_rules, &setup->org, r->revocations, &r->chains) < 0 ||
        leaf_set_new(limits->nodes_max, &leaf_rules, &setup->org, &r->leaves) < 0 ||
        index_new(elements_max(limits), setup->salt, &r->index) < 0) {
        (void)replica_free(r);
        return -ENOMEM;
    }
    tree_attach(r->tree, r->chains);
    *ret = r;
    return 0;
}

struct replica *replica_free(struct replica *r)
{
    if (!r)
        return NULL;
    (void)index_free(r->index);
    (void)leaf_set_free(r->leaves);
    (void)chain_set_free(r->chains);
    (void)tree_free(r->tree);
    (void)revoke_set_free(r->revocations);
    heap_release(r->places);
    heap_release(r->listed);
    heap_release(r->leaf_listed);
    heap_release(r->segments);
    heap_release(r->marks);
    heap_release(r->named);
    heap_release(r->noted);
    heap_release(r->scratch);
    heap_release(r);
    return NULL;
}

/* Element keys: the text with its zero byte, and what it names. */
static struct digest chain_key(const struct chain_view *view)
{
    static const char domain[] = "broch element chain";
    uint8_t bytes[sizeof(domain) + ENTRY_AUTHOR_SIZE + 8];
    struct output o = output_make(bytes, sizeof(bytes));

    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, view->author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, view->instance);
    CHECK(output_fits(&o));
    return digest_bytes(bytes, o.size);
}

static struct digest chain_value(const struct replica *r, uint32_t chain, uint64_t seq,
                                 const struct digest *hash, uint64_t fork)
{
    static const char domain[] = "broch head element 1";
    uint8_t bytes[sizeof(domain) + ENTRY_AUTHOR_SIZE + 8 + 8 + DIGEST_SIZE + 8];
    const struct chain_view *view = chain_at(r->chains, chain);
    struct output o = output_make(bytes, sizeof(bytes));

    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, view->author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, view->instance);
    output_le64(&o, seq);
    output_copy(&o, hash->bytes, DIGEST_SIZE);
    output_le64(&o, fork);
    CHECK(output_fits(&o));
    return digest_bytes(bytes, o.size);
}

void replica_put_element(struct replica *r, const struct digest *key, const struct digest *value,
                         uint8_t kind, uint32_t number)
{
    int result = index_put(r->index, key, value);

    CHECK(result >= 0); /* the index has room for everything that the others can hold */
    r->places[merkle_find(index_trie(r->index), key)] =
        (struct place){ .kind = kind, .number = number };
}

static void list_chain(struct replica *r, uint32_t chain)
{
    const struct chain_view *view = chain_at(r->chains, chain);
    struct listed now = { .seq = chain_listed(r->chains, chain),
                          .fork = view->fork,
                          .hash = chain_listed_hash(r->chains, chain) };
    struct listed *before = &r->listed[chain];
    struct digest key, value;

    now.present = (now.seq > 0 || now.fork > 0) && admits_author(r, view->author);
    if (now.present == before->present &&
        (!now.present || (now.seq == before->seq && now.fork == before->fork &&
                          memcmp(now.hash.bytes, before->hash.bytes, DIGEST_SIZE) == 0)))
        return;
    key = chain_key(view);
    *before = now;
    if (now.present) {
        value = chain_value(r, chain, now.seq, &now.hash, now.fork);
        replica_put_element(r, &key, &value, REPLICA_BATCH, chain);
    } else {
        (void)index_delete(r->index, &key); /* it was present */
    }
}

static void list_leaves(struct replica *r, uint32_t node)
{
    static const char domain[] = "broch element leaves";
    const uint8_t *owner = leaf_node(r->leaves, node);
    struct digest key = digest_pair(domain, sizeof(domain), owner, 32), value;

    if (replica_is_member(r, owner)) {
        value = leaf_digest(r->leaves, node);
        replica_put_element(r, &key, &value, REPLICA_LEAVES, node);
    } else if (r->leaf_listed[node]) {
        (void)index_delete(r->index, &key); /* it was there */
    }
    r->leaf_listed[node] = replica_is_member(r, owner);
}

/* True when an entry that arrived since the last look can make or end members or scopes. */
static bool membership_changed(struct replica *r)
{
    bool changed = false;

    for (; r->links_seen < chain_set_entries(r->chains); r->links_seen++) {
        const struct chain_link *link = chain_link_at(r->chains, r->links_seen);
        const uint8_t *body = chain_link_body(r->chains, link);
        struct entry e;

        /* The body of a digest may come later, when nobody looks at its number again. */
        changed |= !body || entry_decode(body, link->body_size, &e) < 0 ||
                   e.kind == RECORD_MEMBER || e.kind == RECORD_ADMIN;
        r->bodies_missing |= !body;
    }
    return changed || r->bodies_missing;
}

/* After a change of chains or revocations: scopes, membership and heads may all be others. */
static void refresh(struct replica *r, bool all)
{
    all |= replica_update_checkpoints(r);
    tree_update(r->tree);
    for (uint32_t i = 0; i < chain_set_count(r->chains); i++)
        list_chain(r, i);
    all |= membership_changed(r);
    for (uint32_t i = 0; all && i < leaf_set_count(r->leaves); i++)
        list_leaves(r, i);
}

static int count_chain(struct replica *r, int result, const struct chain_outcome *outcome)
{
    if (result < 0)
        return result;
    switch (outcome->result) {
    case CHAIN_TOOK:
        return 1;
    case CHAIN_FORKED:
        r->counters.forks++;
        r->found = outcome->chain;
        return 1;
    case CHAIN_KNOWN:
        return 0;
    case CHAIN_VOID:
        r->counters.voids++;
        return 0;
    case CHAIN_GAP:
    case CHAIN_DIVERGED:
        r->counters.gaps++;
        return 0;
    case CHAIN_STRANGER:
        return -EACCES;
    }
    CHECK(false);
    return 0;
}

static bool may_revoke(const struct replica *r, const struct revoke_statement *s)
{
    uint32_t scope = tree_scope(r->tree, s->revoker);

    if (scope & RECORD_SCOPE_ROOT)
        return true;
    return s->role == REVOKE_NODE && (scope & RECORD_SCOPE_REVOKE);
}

static struct digest revocation_key(const struct replica *r, const struct revoke_statement *s)
{
    static const char domain[] = "broch element revocation";
    uint8_t message[REVOKE_MESSAGE_MAX];
    size_t size;
    int result = revoke_message(s, &r->org, message, &size);

    CHECK(result == 0);
    return digest_pair(domain, sizeof(domain), message, size);
}

static int take_revocation(struct replica *r, const uint8_t *bytes, size_t size)
{
    uint8_t message[REVOKE_MESSAGE_MAX];
    struct revoke_statement s;
    size_t message_size;
    struct digest key;
    int result;

    if (revoke_decode(bytes, size, &s) < 0 ||
        revoke_message(&s, &r->org, message, &message_size) < 0)
        return -EBADMSG;
    key = revocation_key(r, &s);
    if (merkle_find(index_trie(r->index), &key) != MERKLE_NONE)
        return 0;
    if (!may_revoke(r, &s))
        return -EACCES;
    if (!replica_verify(r, s.revoker, message, message_size, s.signature))
        return -EKEYREJECTED;
    result = revoke_set_add(r->revocations, &s);
    if (result < 0)
        return result;
    if (s.role == REVOKE_ADMIN)
        chain_set_revoked(r->chains, s.subject);
    replica_put_element(r, &key, &key, REPLICA_REVOCATION, revoke_set_count(r->revocations) - 1);
    return 1;
}

static int take_leaves(struct replica *r, const uint8_t *bytes, size_t size)
{
    uint32_t node;
    int result = leaf_take(r->leaves, bytes, size, &node);

    if (result == LEAF_STRANGER)
        return -EACCES;
    if (result == LEAF_FORKED)
        r->counters.forks++;
    if (result == LEAF_TOOK || result == LEAF_FORKED)
        list_leaves(r, node);
    return result < 0 ? result : result == LEAF_TOOK || result == LEAF_FORKED;
}

static int take_parcel(struct replica *r, const uint8_t *bytes, size_t size)
{
    struct chain_outcome outcome = { .result = CHAIN_KNOWN };
    int result;

    if (size < 2 || size > REPLICA_PARCEL_MAX)
        return -EBADMSG;
    switch (bytes[0]) {
    case REPLICA_BATCH:
        result = chain_take(r->chains, bytes + 1, size - 1, &outcome);
        result = count_chain(r, result, &outcome);
        break;
    case REPLICA_EVIDENCE:
        result = chain_take_evidence(r->chains, bytes + 1, size - 1, &outcome);
        result = count_chain(r, result, &outcome);
        break;
    case REPLICA_REVOCATION:
        result = take_revocation(r, bytes + 1, size - 1);
        break;
    case REPLICA_LEAVES:
        return take_leaves(r, bytes + 1, size - 1);
    case REPLICA_CHECKPOINT:
        result = replica_take_checkpoint(r, bytes + 1, size - 1);
        break;
    case REPLICA_SEGMENT:
        result = replica_take_segment(r, bytes + 1, size - 1);
        break;
    default:
        return -EBADMSG;
    }
    if (result > 0)
        refresh(r, bytes[0] != REPLICA_BATCH || outcome.result == CHAIN_FORKED);
    return result;
}

static void count(struct replica *r, int result)
{
    struct replica_counters *c = &r->counters;

    switch (result) {
    case 1:
        c->taken++;
        break;
    case 0:
        c->known++;
        break;
    case -EACCES:
        c->strangers++;
        break;
    case -EKEYREJECTED:
        c->forged++;
        break;
    case -EDQUOT:
        c->over_quota++;
        break;
    case -ENOSPC:
        c->full++;
        break;
    default:
        c->malformed++;
        break;
    }
}

int replica_found(struct replica *r, struct output *o)
{
    if (r->found == CHAIN_NONE)
        return 0;
    output_u8(o, REPLICA_EVIDENCE);
    return chain_pack_evidence(r->chains, r->found, o) < 0 ? -ENOSPC : 1;
}

int replica_take(struct replica *r, const uint8_t *bytes, size_t size)
{
    int result;

    r->found = CHAIN_NONE;
    result = take_parcel(r, bytes, size);

    count(r, result);
    return result;
}

int replica_wrote(struct replica *r, uint32_t chain, uint64_t first, struct output *o)
{
    uint64_t next;

    output_u8(o, REPLICA_BATCH);
    if (chain_pack(r->chains, chain, first, o, &next) < 0)
        return -ENOSPC;
    refresh(r, false);
    return 0;
}

/* The seq after the head of this chain that the peer has: found by working out what the short ids
 * of its earlier heads would be. A peer that lacks the chain, or has another past, gets all of it.
 */
static uint64_t first_to_give(const struct replica *r, uint32_t chain, const struct sync_peer *peer)
{
    uint64_t base = chain_base(r->chains, chain), listed = chain_listed(r->chains, chain);
    uint64_t seq = listed;

    for (uint32_t tried = 0;
         peer->count > 0 && seq > 0 && seq >= base && tried < REPLICA_BASE_SEARCH_MAX;
         tried++, seq--) {
        struct digest hash = chain_hash(r->chains, chain, seq);
        struct digest value = chain_value(r, chain, seq, &hash, 0);

        if (ids_contain(peer->theirs, peer->count, index_short_id(peer->salt, &value)))
            return seq + 1;
    }
    return base + 1;
}

/* Progress of a chain: 0 at first; then the seq to go on from, plus one. */
static int give_chain(struct replica *r, uint32_t chain, const struct sync_peer *peer,
                      uint64_t *progress, struct output *o)
{
    uint64_t listed = chain_listed(r->chains, chain), first, next;
    int result;

    if (*progress == 0 && chain_at(r->chains, chain)->fork != 0) {
        output_u8(o, REPLICA_EVIDENCE);
        result = chain_pack_evidence(r->chains, chain, o);
        if (result < 0)
            return result;
        *progress = first_to_give(r, chain, peer) + 1;
        return *progress - 1 <= listed;
    }
    first = *progress == 0 ? first_to_give(r, chain, peer) : *progress - 1;
    /* No head of ours that it has: it lacks the chain, or is ahead of us. If it is ahead, what we
     * have asked it for will tell. */
    if (*progress == 0 && first == chain_base(r->chains, chain) + 1 &&
        listed > first + REPLICA_UNASKED_MAX && !peer->insist)
        return -EAGAIN;
    output_u8(o, REPLICA_BATCH);
    result = chain_pack(r->chains, chain, first, o, &next);
    if (result < 0)
        return result;
    *progress = next + 1;
    return next <= listed;
}

int replica_give(void *context, uint32_t slot, const struct sync_peer *peer, uint64_t *progress,
                 struct output *o)
{
    struct replica *r = context;
    struct place place = r->places[slot];
    const uint8_t *leaves;
    uint8_t *bytes;
    size_t size;

    if (index_id(r->index, slot) == 0)
        return -ENOENT; /* gone since it was queued */
    switch (place.kind) {
    case REPLICA_BATCH:
        return give_chain(r, place.number, peer, progress, o);
    case REPLICA_REVOCATION:
        output_u8(o, REPLICA_REVOCATION);
        bytes = output_reserve(o, REVOKE_SIZE_MAX);
        if (!bytes || revoke_encode(revoke_set_at(r->revocations, place.number), bytes, &size) < 0)
            return -ENOSPC;
        o->size -= REVOKE_SIZE_MAX - size;
        return 0;
    case REPLICA_LEAVES:
        output_u8(o, REPLICA_LEAVES);
        leaves = leaf_bytes(r->leaves, place.number, &size);
        output_copy(o, leaves, size);
        return output_fits(o) ? 0 : -ENOSPC;
    case REPLICA_CHECKPOINT:
        return replica_pack_checkpoint(r, place.number, o);
    case REPLICA_SEGMENT:
        return replica_pack_segment(r, place.number, o);
    default:
        return -ENOENT;
    }
}

bool replica_gives_first(void *context, uint32_t slot)
{
    const struct replica *r = context;
    uint8_t kind = r->places[slot].kind;

    return kind == REPLICA_REVOCATION || kind == REPLICA_CHECKPOINT || kind == REPLICA_SEGMENT;
}

struct digest replica_root(struct replica *r)
{
    return index_root(r->index);
}

struct chain_set *replica_chains(struct replica *r)
{
    return r->chains;
}

struct tree *replica_tree(struct replica *r)
{
    return r->tree;
}

struct leaf_set *replica_leaves(struct replica *r)
{
    return r->leaves;
}

struct index *replica_index(struct replica *r)
{
    return r->index;
}

const struct replica_counters *replica_counters(const struct replica *r)
{
    return &r->counters;
}
