/* The naive reference: all entries ever written, each with what its author had seen; those that
 * count at a node, sorted and applied. It knows no contexts, no covers and no index. */
#include <string.h>

#include "org/replica_internal.h"
#include "state_world.h"

enum { VALUES_MAX = 256 };

/* The lowest frontier that the node's revocations leave this chain. */
static uint64_t frontier(const struct replica *r, const struct state_write *write)
{
    struct test_key key = test_key(write->author);
    uint64_t lowest = UINT64_MAX;

    for (uint32_t i = 0; i < revoke_set_count(r->revocations); i++) {
        const struct revoke_statement *s = revoke_set_at(r->revocations, i);
        uint64_t seq = 0;

        if (s->role != REVOKE_ADMIN || memcmp(s->subject, key.bytes, sizeof(key.bytes)) != 0)
            continue;
        for (size_t k = 0; k < s->frontier_count; k++)
            seq = s->frontiers[k].instance == write->instance ? s->frontiers[k].seq : seq;
        lowest = seq < lowest ? seq : lowest;
    }
    return lowest;
}

/* A frontier on another branch than ours, above all checkpoints, voids what we have. */
static bool other_branch(const struct replica *r, uint32_t chain, const struct state_write *write)
{
    struct test_key key = test_key(write->author);
    uint64_t base = chain_base(r->chains, chain), covered = chain_covered(r->chains, chain);
    uint64_t floor = base > covered ? base : covered;

    for (uint32_t i = 0; i < revoke_set_count(r->revocations); i++) {
        const struct revoke_statement *s = revoke_set_at(r->revocations, i);

        if (s->role != REVOKE_ADMIN || memcmp(s->subject, key.bytes, sizeof(key.bytes)) != 0)
            continue;
        for (size_t k = 0; k < s->frontier_count; k++) {
            const struct revoke_frontier *f = &s->frontiers[k];
            struct digest hash;

            if (f->instance != write->instance || f->seq < floor ||
                f->seq > chain_listed(r->chains, chain))
                continue;
            hash = chain_hash(r->chains, chain, f->seq);
            if (memcmp(hash.bytes, f->hash.bytes, DIGEST_SIZE) != 0)
                return true;
        }
    }
    return false;
}

static const struct state_checkpoint *find_checkpoint(const struct state_world *w,
                                                      const struct digest *id)
{
    for (uint32_t i = 0; i < w->checkpoint_count; i++) {
        if (memcmp(w->checkpoints[i].id.bytes, id->bytes, DIGEST_SIZE) == 0)
            return &w->checkpoints[i];
    }
    return NULL;
}

/* -1: no checkpoint in effect is over it; 0: one does not keep it; 1: all keep it. */
static int kept(const struct state_world *w, uint16_t node, uint32_t index)
{
    const struct replica *r = w->nodes[node].replica;
    const struct state_write *write = &w->written[index];
    struct test_key key = test_key(write->author);
    int result = -1;

    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++) {
        const struct state_checkpoint *c;

        if (!r->checkpoints[i].effective)
            continue;
        c = find_checkpoint(w, &r->checkpoints[i].id);
        if (!c || checkpoint_covers(&c->statement, key.bytes, write->instance) < write->seq)
            continue;
        if (!state_bit(&c->kept, index))
            return 0;
        result = 1;
    }
    return result;
}

static bool has_entry(const struct replica *r, uint32_t chain, const struct state_write *write)
{
    uint32_t link = chain_link_find(r->chains, chain, write->seq);

    return link != CHAIN_NONE && memcmp(chain_link_at(r->chains, link)->digest.bytes,
                                        write->digest.bytes, DIGEST_SIZE) == 0;
}

/* Valid in its chain at this node, whoever its author is. */
static bool valid(struct state_world *w, uint16_t node, uint32_t index)
{
    const struct replica *r = w->nodes[node].replica;
    const struct state_write *write = &w->written[index];
    struct test_key key = test_key(write->author);
    uint32_t chain = chain_find(r->chains, key.bytes, write->instance);
    const struct chain_view *view;
    int keeps;

    if (write->lost || chain == CHAIN_NONE)
        return false;
    view = chain_at(r->chains, chain);
    if (write->seq > frontier(r, write) || (view->fork != 0 && write->seq >= view->fork) ||
        write->seq > view->held || write->seq > view->proved || other_branch(r, chain, write))
        return false;
    keeps = kept(w, node, index);
    return keeps >= 0 ? keeps == 1 : has_entry(r, chain, write);
}

bool state_admitted(struct state_world *w, uint16_t node, uint16_t author)
{
    for (uint32_t i = 0; i < w->writes && author != 0; i++) {
        const struct state_write *write = &w->written[i];

        if (write->kind == RECORD_ADMIN && write->key == author && write->author == 0 &&
            valid(w, node, i))
            return true;
    }
    return author == 0;
}

/* The scopes of this world: the root may everything, admins write documents. */
static bool in_scope(struct state_world *w, uint16_t node, const struct state_write *write)
{
    return write->author == 0 ||
           (write->kind == RECORD_DOCUMENT && state_admitted(w, node, write->author));
}

bool state_counts(struct state_world *w, uint16_t node, uint32_t write)
{
    return valid(w, node, write) && in_scope(w, node, &w->written[write]);
}

/* The order in which readers get values. */
static int order(const struct state_write *a, const struct state_write *b)
{
    struct test_key ka = test_key(a->author), kb = test_key(b->author);
    int result = memcmp(kb.bytes, ka.bytes, sizeof(ka.bytes));

    if (a->operation != b->operation)
        return a->operation < b->operation ? -1 : 1;
    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    if (a->operation == ENTRY_RAISE && a->value[0] != b->value[0])
        return a->value[0] > b->value[0] ? -1 : 1;
    if (a->stamp != b->stamp)
        return a->stamp > b->stamp ? -1 : 1;
    if (result != 0)
        return result;
    if (a->instance != b->instance)
        return a->instance > b->instance ? -1 : 1;
    return a->seq > b->seq ? -1 : a->seq < b->seq;
}

/* The fold of one key: what is left, in order. */
struct view {
    uint32_t count;
    bool exists;
    bool deleted; /* a DELETE that nobody has seen */
    bool ever;
    uint32_t items[STATE_WRITES_MAX];
};

/* An author sees a chain up to a place. When the key was copied, another entry may stand there;
 * what it says is taken for seen as well, until the fork is found and neither counts. */
static bool sees(const struct state_world *w, const struct state_write *by, uint32_t index)
{
    const struct state_write *a = &w->written[index];

    if (state_bit(&by->seen, index) || !w->stolen[a->author] || a->kind != by->kind ||
        a->key != by->key)
        return state_bit(&by->seen, index);
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *b = &w->written[i];

        if (state_bit(&by->seen, i) && b->author == a->author && b->instance == a->instance &&
            b->seq >= a->seq)
            return true;
    }
    return false;
}

static bool is_seen(const struct state_write *a, const bool *count, const struct state_world *w,
                    uint32_t index)
{
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *by = &w->written[i];

        if (!count[i] || !sees(w, by, index))
            continue;
        if (by->operation == ENTRY_DELETE ||
            (by->operation == ENTRY_SET && (a->operation == ENTRY_DELETE || by->field == a->field)))
            return true;
    }
    return false;
}

/* Of equal ADDs, and of all RAISEs of a field, only the first in order is shown. */
static bool repeats(const struct state_world *w, const struct view *v, const struct state_write *a)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const struct state_write *b = &w->written[v->items[i]];

        if (a->operation != b->operation || a->field != b->field || a->operation == ENTRY_SET)
            continue;
        if (a->operation == ENTRY_RAISE ||
            (a->value_size == b->value_size && memcmp(a->value, b->value, a->value_size) == 0))
            return true;
    }
    return false;
}

static void sort(const struct state_world *w, struct view *v)
{
    uint32_t kept_count = 0, items = v->count;

    for (uint32_t i = 1; i < items; i++) {
        uint32_t item = v->items[i], k = i;

        for (; k > 0 && order(&w->written[item], &w->written[v->items[k - 1]]) < 0; k--)
            v->items[k] = v->items[k - 1];
        v->items[k] = item;
    }
    for (uint32_t i = 0; i < items; i++) {
        v->count = kept_count;
        if (!repeats(w, v, &w->written[v->items[i]]))
            v->items[kept_count++] = v->items[i];
    }
    v->count = kept_count;
}

static void apply(struct state_world *w, const bool *count, uint8_t key, struct view *v)
{
    v->count = 0;
    v->exists = v->deleted = v->ever = false;
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *write = &w->written[i];

        if (!count[i] || write->key != key || write->kind != RECORD_DOCUMENT)
            continue;
        v->ever = true;
        if (write->operation > ENTRY_RAISE ||
            (write->operation <= ENTRY_DELETE && is_seen(write, count, w, i)))
            continue;
        v->exists |= write->operation == ENTRY_SET;
        v->deleted |= write->operation == ENTRY_DELETE;
        if (write->operation != ENTRY_DELETE)
            v->items[v->count++] = i;
    }
    sort(w, v);
}

static bool same(const struct state_write *a, const struct crdt_value *b)
{
    struct test_key key = test_key(a->author);

    return a->operation == b->operation && a->field == b->field && a->seq == b->seq &&
           a->instance == b->instance && a->stamp == b->stamp &&
           memcmp(key.bytes, b->author, sizeof(key.bytes)) == 0 && a->value_size == b->value_size &&
           memcmp(a->value, b->value, b->value_size) == 0;
}

/* True when a write above a frontier had replaced one of these. */
static bool fell_back(const struct state_world *w, uint16_t node, const struct view *v)
{
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *by = &w->written[i];

        if (by->lost || by->operation != ENTRY_SET || !w->revoked[by->author] ||
            by->seq <= frontier(w->nodes[node].replica, by))
            continue;
        for (uint32_t k = 0; k < v->count; k++) {
            if (state_bit(&by->seen, v->items[k]) && w->written[v->items[k]].field == by->field)
                return true;
        }
    }
    return false;
}

static void note_states(struct state_world *w, uint16_t node, const struct view *v,
                        const struct crdt_document *d)
{
    w->counts[STATE_COUNT_FELL_BACK] += fell_back(w, node, v);
    w->counts[STATE_COUNT_CONFLICT] += d->conflict;
    w->counts[STATE_COUNT_EDIT_BESIDE_DELETE] += v->exists && v->deleted;
    w->counts[STATE_COUNT_DELETED] += v->ever && !v->exists;
}

static void check_key(struct state_world *w, uint16_t node, const bool *count, uint8_t key)
{
    static struct crdt_value values[VALUES_MAX];
    static struct view v;
    struct crdt_document d = { .values = values, .capacity = VALUES_MAX };
    bool conflict = false;

    apply(w, count, key, &v);
    if (tree_read(w->nodes[node].replica->tree, RECORD_DOCUMENT, state_keys[key],
                  strlen(state_keys[key]), &d) < 0)
        d.count = 0;
    if (d.count != v.count || d.exists != v.exists) {
        state_violate(w, node, "reads other values than the reference");
        return;
    }
    for (uint32_t i = 0; i < v.count; i++) {
        const struct state_write *a = &w->written[v.items[i]];
        const struct state_write *before = i > 0 ? &w->written[v.items[i - 1]] : NULL;

        if (!same(a, &values[i]))
            state_violate(w, node, "reads another value than the reference");
        conflict |= before && before->operation == ENTRY_SET && a->operation == ENTRY_SET &&
                    before->field == a->field &&
                    (before->value_size != a->value_size ||
                     memcmp(before->value, a->value, a->value_size) != 0);
    }
    if (d.conflict != (conflict || (v.exists && v.deleted)))
        state_violate(w, node, "shows another conflict than the reference");
    note_states(w, node, &v, &d);
}

/* A fork must be a fact: two writes at one place by a key that was copied. */
static void check_forks(struct state_world *w, uint16_t node)
{
    struct replica *r = w->nodes[node].replica;

    for (uint32_t i = 0; i < chain_set_count(r->chains); i++) {
        const struct chain_view *view = chain_at(r->chains, i);
        uint32_t at_place = 0;

        w->counts[STATE_COUNT_ADOPTED] += chain_base(r->chains, i) > 0;
        w->counts[STATE_COUNT_VOIDED] += view->held > view->frontier;
        if (view->fork == 0)
            continue;
        w->counts[STATE_COUNT_FORKED]++;
        for (uint32_t k = 0; k < w->writes; k++) {
            struct test_key key = test_key(w->written[k].author);

            at_place += w->written[k].instance == view->instance &&
                        w->written[k].seq == view->fork &&
                        memcmp(key.bytes, view->author, sizeof(key.bytes)) == 0 &&
                        w->stolen[w->written[k].author];
        }
        if (at_place < 2)
            state_violate(w, node, "holds a fork that nobody made");
    }
}

static void check_members(struct state_world *w, uint16_t node)
{
    struct replica *r = w->nodes[node].replica;

    for (uint16_t i = 0; i < w->node_count; i++) {
        struct test_key key = test_key((unsigned)(STATE_MEMBER_FIRST + i));

        if (revoke_set_covers(r->revocations, REVOKE_NODE, key.bytes) &&
            replica_is_member(r, key.bytes))
            state_violate(w, node, "calls a revoked node a member");
        if (revoke_set_covers(r->revocations, REVOKE_NODE, key.bytes) && !w->revoked_node[i])
            state_violate(w, node, "holds a revocation that nobody signed");
    }
}

void state_check_node(struct state_world *w, uint16_t node)
{
    static bool count[STATE_WRITES_MAX];
    struct replica *r = w->nodes[node].replica;
    unsigned in_effect = 0;

    if (w->violation)
        return;
    for (uint32_t i = 0; i < w->writes; i++)
        count[i] = state_counts(w, node, i);
    for (uint8_t key = 0; key < STATE_KEYS; key++)
        check_key(w, node, count, key);
    check_forks(w, node);
    check_members(w, node);
    for (unsigned i = 0; i < REPLICA_CHECKPOINTS_MAX; i++)
        in_effect += r->checkpoints[i].effective;
    w->counts[STATE_COUNT_JOINED] += in_effect > 1;
    for (uint32_t i = 0; i < leaf_set_count(r->leaves); i++) {
        struct leaf_value v;

        w->counts[STATE_COUNT_LEAF_FORKED] +=
            leaf_read(r->leaves, i, RECORD_VERDICT, "g1", 2, &v) < 0;
    }
}

bool state_honest_agree(struct state_world *w)
{
    struct digest first = { { 0 } };
    bool any = false;

    for (uint16_t i = 0; i < w->node_count; i++) {
        struct digest root = replica_root(w->nodes[i].replica);

        if (w->nodes[i].hostile)
            continue;
        if (any && memcmp(root.bytes, first.bytes, DIGEST_SIZE) != 0)
            return false;
        first = root;
        any = true;
    }
    return true;
}

/* Up to where a checkpoint that ended with its signer stood for this chain. Whoever trusted it has
 * dropped what it left out. */
static uint64_t trusted(const struct state_world *w, const struct state_write *write)
{
    struct test_key key = test_key(write->author);
    uint64_t most = 0;

    for (uint32_t i = 0; i < w->checkpoint_count; i++) {
        const struct state_checkpoint *c = &w->checkpoints[i];

        for (uint16_t author = 1; author < w->author_count; author++) {
            struct test_key signer = test_key(author);
            uint64_t covers = checkpoint_covers(&c->statement, key.bytes, write->instance);

            if (w->revoked[author] && covers > most &&
                memcmp(signer.bytes, c->statement.signer, sizeof(signer.bytes)) == 0)
                most = covers;
        }
    }
    return most;
}

static bool lacks(struct state_world *w, uint16_t node, uint32_t index)
{
    struct replica *r = w->nodes[node].replica;
    const struct state_write *write = &w->written[index];
    struct test_key key = test_key(write->author);
    uint32_t chain = chain_find(r->chains, key.bytes, write->instance);

    return chain == CHAIN_NONE || (kept(w, node, index) < 0 && !has_entry(r, chain, write));
}

/* What such a checkpoint stood for may be gone, and then what was written on top of it has nothing
 * to stand on anywhere. As long as somebody had the ground, nothing on top of it may be gone. */
static bool dropped_in_trust(struct state_world *w, uint16_t node, uint32_t index)
{
    const struct state_write *write = &w->written[index];
    uint64_t covers = trusted(w, write);

    if (covers >= write->seq)
        return true;
    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *ground = &w->written[i];

        if (ground->author == write->author && ground->instance == write->instance &&
            ground->seq <= covers && lacks(w, node, i))
            return true;
    }
    return false;
}

/* No write is missing but by a rule. */
static void check_losses(struct state_world *w, uint16_t node)
{
    struct replica *r = w->nodes[node].replica;

    for (uint32_t i = 0; i < w->writes; i++) {
        const struct state_write *write = &w->written[i];
        struct test_key key = test_key(write->author);
        uint32_t chain = chain_find(r->chains, key.bytes, write->instance);
        const struct chain_view *view = chain == CHAIN_NONE ? NULL : chain_at(r->chains, chain);

        if (write->lost || !write->durable || w->stolen[write->author] ||
            w->nodes[write->node].hostile || !state_admitted(w, node, write->author))
            continue;
        if (view && (write->seq > view->frontier || kept(w, node, i) == 0))
            continue;
        if ((!view && w->revoked[write->author]) || dropped_in_trust(w, node, i))
            continue;
        if (lacks(w, node, i))
            state_violate(w, node, "lacks a write that nothing takes away");
        w->counts[STATE_COUNT_NEWER] += write->kind == 4242;
    }
}

/* Everybody is healed and quiet. */
void state_check_end(struct state_world *w)
{
    static struct crdt_value values[VALUES_MAX];
    struct digest trees = { { 0 } };
    bool any = false;

    for (uint16_t i = 0; i < w->node_count && !w->violation; i++) {
        struct digest own;

        if (w->nodes[i].hostile)
            continue;
        state_check_node(w, i);
        check_losses(w, i);
        own = tree_digest(w->nodes[i].replica->tree, values, VALUES_MAX);
        if (any && memcmp(own.bytes, trees.bytes, DIGEST_SIZE) != 0)
            state_violate(w, i, "has equal roots and other trees");
        trees = own;
        any = true;
    }
}
