#include "org/tree.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/heap.h"

struct tree_key {
    const uint8_t *key;  /* in the body of its first entry; bodies do not move */
    uint32_t first;      /* link + 1 of the newest entry of this key */
    uint32_t next_admin; /* key + 1: the list of all keys of kind `admin` */
    uint16_t kind;
    uint8_t key_size;
};

struct tree_admin {
    uint8_t key[ENTRY_AUTHOR_SIZE];
    uint32_t scope;
};

struct tree {
    const struct chain_set *chains;
    struct crdt_scratch *scratch;
    uint32_t *next;  /* link + 1 of the entry of the same key that came before */
    uint32_t *slots; /* open addressing over (kind, key): key + 1 */
    struct tree_key *keys;
    uint32_t *items;        /* scratch: links of the key being folded */
    uint32_t *pending;      /* links that had no body when they were first seen */
    uint32_t *chain_scopes; /* by chain */
    uint64_t *chain_valids;
    uint32_t slot_mask;
    uint32_t indexed; /* links looked at */
    uint32_t pending_count;
    uint32_t key_count;
    uint32_t admin_keys; /* key + 1 of the newest key of kind `admin` */
    uint32_t root_count;
    uint32_t admin_count;
    uint8_t roots[TREE_ROOTS_MAX][ENTRY_AUTHOR_SIZE];
    struct tree_admin admins[TREE_ADMINS_MAX];
};

int tree_new(const struct chain_limits *limits, uint32_t covers_max, const uint8_t *roots,
             size_t root_count, struct tree **ret)
{
    struct tree *tree = heap_take(1, sizeof(*tree));
    uint32_t entries = limits->entries_max, slots = 16;

    CHECK(root_count <= TREE_ROOTS_MAX);
    if (!tree)
        return -ENOMEM;
    while (slots < 2 * entries)
        slots *= 2;
    tree->slot_mask = slots - 1;
    tree->root_count = (uint32_t)root_count;
    for (size_t i = 0; i < root_count; i++)
        memcpy(tree->roots[i], roots + i * ENTRY_AUTHOR_SIZE, ENTRY_AUTHOR_SIZE);
    tree->next = heap_take(entries, sizeof(tree->next[0]));
    tree->slots = heap_take(slots, sizeof(tree->slots[0]));
    tree->keys = heap_take(entries, sizeof(tree->keys[0]));
    tree->items = heap_take(entries, sizeof(tree->items[0]));
    tree->pending = heap_take(entries, sizeof(tree->pending[0]));
    tree->chain_scopes = heap_take(limits->chains_max, sizeof(tree->chain_scopes[0]));
    tree->chain_valids = heap_take(limits->chains_max, sizeof(tree->chain_valids[0]));
    if (!tree->next || !tree->slots || !tree->keys || !tree->items || !tree->pending ||
        !tree->chain_scopes || !tree->chain_valids ||
        crdt_scratch_new(covers_max, &tree->scratch) < 0) {
        (void)tree_free(tree);
        return -ENOMEM;
    }
    *ret = tree;
    return 0;
}

struct tree *tree_free(struct tree *tree)
{
    if (!tree)
        return NULL;
    heap_release(tree->next);
    heap_release(tree->slots);
    heap_release(tree->keys);
    heap_release(tree->items);
    heap_release(tree->pending);
    heap_release(tree->chain_scopes);
    heap_release(tree->chain_valids);
    (void)crdt_scratch_free(tree->scratch);
    heap_release(tree);
    return NULL;
}

void tree_attach(struct tree *tree, const struct chain_set *chains)
{
    CHECK(!tree->chains);
    tree->chains = chains;
}

static void decode_link(const struct tree *tree, uint32_t number, struct entry *ret)
{
    const struct chain_link *link = chain_link_at(tree->chains, number);
    int r = entry_decode(chain_link_body(tree->chains, link), link->body_size, ret);

    CHECK(r == 0); /* it was decoded when it was taken */
}

/* Where the search for (kind, key) begins. */
static uint32_t slot_start(const struct tree *tree, uint16_t kind, const void *key, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ kind;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)key)[i]) * 0x100000001b3ull;
    return (uint32_t)((hash * 0x9e3779b97f4a7c15ull) >> 32) & tree->slot_mask;
}

/* The slot of (kind, key): its key's, or the free one where it would stand. */
static uint32_t *find_slot(const struct tree *tree, uint16_t kind, const void *key, size_t size)
{
    uint32_t slot = slot_start(tree, kind, key, size);

    while (tree->slots[slot] != 0) {
        const struct tree_key *k = &tree->keys[tree->slots[slot] - 1];

        if (k->kind == kind && k->key_size == size && memcmp(k->key, key, size) == 0)
            break;
        slot = (slot + 1) & tree->slot_mask;
    }
    return &tree->slots[slot];
}

static void create_key(struct tree *tree, const struct entry *e)
{
    struct tree_key *key = &tree->keys[tree->key_count++];

    key->key = e->key;
    key->key_size = e->key_size;
    key->kind = e->kind;
    if (e->kind == RECORD_ADMIN && e->key_size == ENTRY_AUTHOR_SIZE) {
        key->next_admin = tree->admin_keys;
        tree->admin_keys = tree->key_count;
    }
}

static bool index_link(struct tree *tree, uint32_t number)
{
    struct tree_key *key;
    uint32_t *slot;
    struct entry e;

    if (!chain_link_body(tree->chains, chain_link_at(tree->chains, number)))
        return false;
    decode_link(tree, number, &e);
    slot = find_slot(tree, e.kind, e.key, e.key_size);
    if (*slot == 0) {
        create_key(tree, &e);
        *slot = tree->key_count;
    }
    key = &tree->keys[*slot - 1];
    tree->next[number] = key->first;
    key->first = number + 1;
    return true;
}

enum { AHEAD = 64 }; /* links of a batch */

/* What index_link() will look at for the links from `first` on, brought near in three steps: each
 * of them would wait for memory, and so they wait together. Nothing depends on it. */
static void look_ahead(const struct tree *tree, uint32_t first, uint32_t count)
{
    uint32_t slots[AHEAD], keys[AHEAD];

    for (uint32_t i = 0; i < count; i++) {
        struct entry e;

        slots[i] = 0;
        if (!chain_link_body(tree->chains, chain_link_at(tree->chains, first + i)))
            continue;
        decode_link(tree, first + i, &e);
        slots[i] = slot_start(tree, e.kind, e.key, e.key_size);
        __builtin_prefetch(&tree->slots[slots[i]]);
    }
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = tree->slots[slots[i]];
        if (keys[i] != 0)
            __builtin_prefetch(&tree->keys[keys[i] - 1]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i] != 0)
            __builtin_prefetch(tree->keys[keys[i] - 1].key);
    }
}

/* Indexes the links that are new. */
static void index_new_links(struct tree *tree)
{
    uint32_t entries = chain_set_entries(tree->chains);

    while (tree->indexed < entries) {
        uint32_t count = entries - tree->indexed < AHEAD ? entries - tree->indexed : AHEAD;

        if (count > 1)
            look_ahead(tree, tree->indexed, count);
        for (; count > 0; count--, tree->indexed++) {
            if (!index_link(tree, tree->indexed))
                tree->pending[tree->pending_count++] = tree->indexed;
        }
    }
}

bool tree_is_genesis_root(const struct tree *tree, const uint8_t author[static ENTRY_AUTHOR_SIZE])
{
    for (uint32_t i = 0; i < tree->root_count; i++) {
        if (memcmp(tree->roots[i], author, ENTRY_AUTHOR_SIZE) == 0)
            return true;
    }
    return false;
}

uint32_t tree_scope(const struct tree *tree, const uint8_t author[static ENTRY_AUTHOR_SIZE])
{
    uint32_t scope = tree_is_genesis_root(tree, author) ? (uint32_t)RECORD_SCOPE_ROOT : 0;

    for (uint32_t i = 0; i < tree->admin_count; i++) {
        if (memcmp(tree->admins[i].key, author, ENTRY_AUTHOR_SIZE) == 0)
            scope |= tree->admins[i].scope;
    }
    return scope;
}

static bool grant(struct tree *tree, const uint8_t *key, uint32_t scope)
{
    for (uint32_t i = 0; i < tree->admin_count; i++) {
        struct tree_admin *a = &tree->admins[i];

        if (memcmp(a->key, key, ENTRY_AUTHOR_SIZE) != 0)
            continue;
        if ((a->scope & scope) == scope)
            return false;
        a->scope |= scope;
        return true;
    }
    if (tree->admin_count == TREE_ADMINS_MAX)
        return false; /* roots write these records; 256 keys are their own limit */
    memcpy(tree->admins[tree->admin_count].key, key, ENTRY_AUTHOR_SIZE);
    tree->admins[tree->admin_count++].scope = scope;
    return true;
}

/* Takes the grant of one valid entry; true when it adds something. */
static bool take_grant(struct tree *tree, uint32_t number)
{
    const struct chain_link *link = chain_link_at(tree->chains, number);
    struct cursor c;
    struct entry e;

    if (link->seq > tree->chain_valids[link->chain] || !chain_link_current(tree->chains, link) ||
        !(tree_scope(tree, chain_at(tree->chains, link->chain)->author) & RECORD_SCOPE_ROOT))
        return false;
    decode_link(tree, number, &e);
    if (e.operation != ENTRY_ADD || e.field != RECORD_ADMIN_SCOPE || e.value_size != 4)
        return false;
    c = cursor_make(e.value, e.value_size);
    return grant(tree, e.key, cursor_le32(&c));
}

/* Grants make roots and roots make grants: repeated until nothing is added, at most once for each
 * admin. Starting from nothing, because a revocation may have taken the ground from under a grant.
 */
static void refresh_scopes(struct tree *tree)
{
    bool more = true;

    tree->admin_count = 0;
    for (uint32_t round = 0; more && round <= TREE_ADMINS_MAX; round++) {
        more = false;
        for (uint32_t k = tree->admin_keys; k != 0; k = tree->keys[k - 1].next_admin) {
            for (uint32_t n = tree->keys[k - 1].first; n != 0; n = tree->next[n - 1])
                more |= take_grant(tree, n - 1);
        }
    }
    for (uint32_t i = 0; i < chain_set_count(tree->chains); i++)
        tree->chain_scopes[i] = tree_scope(tree, chain_at(tree->chains, i)->author);
}

void tree_update(struct tree *tree)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < tree->pending_count; i++) {
        if (!index_link(tree, tree->pending[i]))
            tree->pending[kept++] = tree->pending[i];
    }
    tree->pending_count = kept;
    index_new_links(tree);
    for (uint32_t i = 0; i < chain_set_count(tree->chains); i++)
        tree->chain_valids[i] = chain_valid(tree->chains, i);
    refresh_scopes(tree);
}

static bool in_scope(const struct tree *tree, const struct chain_link *link, uint16_t kind)
{
    uint32_t scope = tree->chain_scopes[link->chain], needed = record_scope(kind);

    return (scope & RECORD_SCOPE_ROOT) || (scope & needed) == needed;
}

static bool counts(const struct tree *tree, uint32_t number, uint16_t kind)
{
    const struct chain_link *link = chain_link_at(tree->chains, number);

    return link->seq <= tree->chain_valids[link->chain] && in_scope(tree, link, kind) &&
           chain_link_current(tree->chains, link);
}

bool tree_counts(const struct tree *tree, uint32_t link)
{
    struct entry e;

    if (!chain_link_body(tree->chains, chain_link_at(tree->chains, link)))
        return false;
    decode_link(tree, link, &e);
    return counts(tree, link, e.kind);
}

uint32_t tree_out_of_scope(const struct tree *tree)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < tree->key_count; k++) {
        for (uint32_t n = tree->keys[k].first; n != 0; n = tree->next[n - 1])
            count += !in_scope(tree, chain_link_at(tree->chains, n - 1), tree->keys[k].kind);
    }
    return count;
}

static void item_of(const struct tree *tree, uint32_t number, struct crdt_item *ret)
{
    const struct chain_link *link = chain_link_at(tree->chains, number);
    const struct chain_view *chain = chain_at(tree->chains, link->chain);

    ret->author = chain->author;
    ret->instance = chain->instance;
    ret->seq = link->seq;
    decode_link(tree, number, &ret->entry);
}

static void item_at(const void *context, size_t index, struct crdt_item *ret)
{
    const struct tree *tree = context;

    item_of(tree, tree->items[index], ret);
}

/* The entries of a key that count. */
static struct crdt_source collect(struct tree *tree, uint32_t key)
{
    struct crdt_source source = { .at = item_at, .context = tree };

    for (uint32_t n = tree->keys[key].first; n != 0; n = tree->next[n - 1]) {
        const struct chain_link *link = chain_link_at(tree->chains, n - 1);

        if (!counts(tree, n - 1, tree->keys[key].kind))
            continue;
        __builtin_prefetch(chain_link_body(tree->chains, link)); /* the fold reads it next */
        tree->items[source.count++] = n - 1;
    }
    return source;
}

static void fold_key(struct tree *tree, uint32_t key, struct crdt_document *ret)
{
    struct crdt_source source = collect(tree, key);

    crdt_fold(tree->scratch, &source, ret);
}

int tree_read(struct tree *tree, uint16_t kind, const void *key, size_t key_size,
              struct crdt_document *ret)
{
    uint32_t slot = *find_slot(tree, kind, key, key_size);

    if (slot == 0)
        return -ENOENT;
    fold_key(tree, slot - 1, ret);
    return 0;
}

/* Adds a place to a context that is kept sorted; false when it is full. */
static bool context_add(struct entry_seen *context, size_t *count, const struct chain_view *chain,
                        uint64_t seq)
{
    size_t i = 0;

    while (i < *count && entry_chain_compare(context[i].author, context[i].instance, chain->author,
                                             chain->instance) < 0)
        i++;
    if (i < *count && entry_chain_compare(context[i].author, context[i].instance, chain->author,
                                          chain->instance) == 0) {
        if (seq > context[i].seq)
            context[i].seq = seq;
        return true;
    }
    if (*count == ENTRY_CONTEXT_MAX)
        return false;
    memmove(&context[i + 1], &context[i], (*count - i) * sizeof(context[0]));
    context[i] =
        (struct entry_seen){ .author = chain->author, .instance = chain->instance, .seq = seq };
    ++*count;
    return true;
}

int tree_context(const struct tree *tree, uint16_t kind, const void *key, size_t key_size,
                 const struct tree_writer *writer, struct entry_seen ret[static ENTRY_CONTEXT_MAX])
{
    uint32_t slot = *find_slot(tree, kind, key, key_size);
    size_t count = 0;

    for (uint32_t n = slot == 0 ? 0 : tree->keys[slot - 1].first; n != 0; n = tree->next[n - 1]) {
        const struct chain_link *link = chain_link_at(tree->chains, n - 1);
        const struct chain_view *chain = chain_at(tree->chains, link->chain);

        if (!counts(tree, n - 1, kind) ||
            entry_chain_compare(chain->author, chain->instance, writer->author, writer->instance) ==
                0)
            continue;
        if (!context_add(ret, &count, chain, link->seq))
            return -E2BIG;
    }
    return (int)count;
}

uint32_t tree_keys(const struct tree *tree)
{
    return tree->key_count;
}

static struct digest value_digest(const struct crdt_value *v, const struct digest *before)
{
    uint8_t place[DIGEST_SIZE + ENTRY_AUTHOR_SIZE + 8 + 8 + 8 + 4 + 4];
    struct output o = output_make(place, sizeof(place));

    output_copy(&o, before->bytes, DIGEST_SIZE);
    output_copy(&o, v->author, ENTRY_AUTHOR_SIZE);
    output_le64(&o, v->instance);
    output_le64(&o, v->seq);
    output_le64(&o, v->stamp);
    output_le32(&o, v->field);
    output_le32(&o, (uint32_t)v->operation | (uint32_t)v->winner << 8 | (uint32_t)v->conflict << 9);
    CHECK(output_fits(&o));
    return digest_pair(place, sizeof(place), v->value, v->value_size);
}

struct digest tree_digest(struct tree *tree, struct crdt_value *values, size_t capacity)
{
    struct digest sum = { { 0 } };

    for (uint32_t k = 0; k < tree->key_count; k++) {
        struct crdt_document d = { .values = values, .capacity = capacity };
        const struct tree_key *key = &tree->keys[k];
        uint8_t flags[3];
        struct digest one;

        fold_key(tree, k, &d);
        if (d.count == 0)
            continue;
        flags[0] = (uint8_t)(d.exists | d.conflict << 1);
        flags[1] = (uint8_t)key->kind;
        flags[2] = (uint8_t)(key->kind >> 8);
        one = digest_pair(flags, sizeof(flags), key->key, key->key_size);
        for (size_t i = 0; i < d.count; i++)
            one = value_digest(&d.values[i], &one);
        /* Exclusive or: keys come in the order of arrival, which must not show. Good enough to
         * compare honest replicas; what is signed is the root of the trie (merkle.h). */
        for (size_t i = 0; i < DIGEST_SIZE; i++)
            sum.bytes[i] ^= one.bytes[i];
    }
    return sum;
}

/* True when something that the entry had seen, and that may still count, is not here or not in a
 * named chain: the entry has to go on covering it. */
static bool sees_more(const struct tree *tree, const bool *named, const struct crdt_item *item)
{
    for (size_t i = 0; i < item->entry.context_count; i++) {
        const struct entry_seen *s = &item->entry.context[i];
        uint32_t chain = chain_find(tree->chains, s->author, s->instance);

        if (chain == CHAIN_NONE || !named[chain] ||
            (tree->chain_valids[chain] < s->seq &&
             tree->chain_valids[chain] < chain_allowed(tree->chains, chain)))
            return true;
    }
    return false;
}

/* Where crdt_needed() puts its marks. */
struct marker {
    const struct tree *tree;
    bool *marks;
};

static void mark_item(void *context, size_t index)
{
    const struct marker *m = context;

    m->marks[m->tree->items[index]] = true;
}

static void mark_key(struct tree *tree, uint32_t key, const bool *named, bool *marks)
{
    struct crdt_source source = collect(tree, key);
    struct marker marker = { tree, marks };
    bool all = false;

    for (size_t i = 0; i < source.count && !all; i++) {
        struct crdt_item item;

        item_at(tree, i, &item);
        all = sees_more(tree, named, &item) ||
              !named[chain_link_at(tree->chains, tree->items[i])->chain];
    }
    if (!all)
        crdt_needed(tree->scratch, &source, mark_item, &marker);
    for (size_t i = 0; i < source.count && all; i++)
        mark_item(&marker, i);
}

/* Kinds that are not known here may mean anything, and may have other scopes. */
static void mark_foreign(struct tree *tree, uint32_t key, bool *marks)
{
    for (uint32_t n = tree->keys[key].first; n != 0; n = tree->next[n - 1]) {
        const struct chain_link *link = chain_link_at(tree->chains, n - 1);

        marks[n - 1] =
            link->seq <= tree->chain_valids[link->chain] && chain_link_current(tree->chains, link);
    }
}

void tree_mark_needed(struct tree *tree, const bool *named, bool *marks)
{
    for (uint32_t k = 0; k < tree->key_count; k++) {
        if (tree->keys[k].kind < RECORD_MAX_)
            mark_key(tree, k, named, marks);
        else
            mark_foreign(tree, k, marks);
    }
}
