#include "org/merkle.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"
#include "base/output.h"

/* A reference to a node: 0 is none, the top bit marks a leaf, the rest is slot + 1. */
#define LEAF_BIT 0x80000000u

struct leaf {
    struct digest key;
    struct digest value;
};

struct branch {
    struct digest hash;
    uint32_t child[MERKLE_FAN_OUT];
    uint32_t count; /* elements below */
    uint8_t depth;  /* the nibble that tells the children apart */
    bool dirty;
};

struct merkle {
    uint32_t capacity;
    uint32_t count;
    uint32_t root;
    uint32_t leaf_free; /* stacks of free slots; the stack of leaves is leaf_slots[0..leaf_free) */
    uint32_t branch_free;
    uint32_t *leaf_slots;
    uint32_t *branch_slots;
    struct leaf *leaves;
    struct branch *branches;
};

int merkle_new(uint32_t capacity, struct merkle **ret)
{
    struct merkle *m = heap_take(1, sizeof(*m));

    CHECK(capacity > 0 && capacity < LEAF_BIT - 1);
    if (!m)
        return -ENOMEM;
    m->capacity = capacity;
    m->leaves = heap_take(capacity, sizeof(m->leaves[0]));
    m->branches = heap_take(capacity, sizeof(m->branches[0]));
    m->leaf_slots = heap_take(capacity, sizeof(m->leaf_slots[0]));
    m->branch_slots = heap_take(capacity, sizeof(m->branch_slots[0]));
    if (!m->leaves || !m->branches || !m->leaf_slots || !m->branch_slots) {
        (void)merkle_free(m);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < capacity; i++) {
        m->leaf_slots[i] = capacity - 1 - i;
        m->branch_slots[i] = capacity - 1 - i;
    }
    m->leaf_free = m->branch_free = capacity;
    *ret = m;
    return 0;
}

struct merkle *merkle_free(struct merkle *m)
{
    if (!m)
        return NULL;
    heap_release(m->leaves);
    heap_release(m->branches);
    heap_release(m->leaf_slots);
    heap_release(m->branch_slots);
    heap_release(m);
    return NULL;
}

static unsigned nibble(const struct digest *key, unsigned depth)
{
    return depth % 2 == 0 ? key->bytes[depth / 2] >> 4 : key->bytes[depth / 2] & 15;
}

/* The first nibble in which two keys differ; MERKLE_DEPTH_MAX when they are equal. */
static unsigned first_difference(const struct digest *a, const struct digest *b)
{
    unsigned depth = 0;

    while (depth < MERKLE_DEPTH_MAX && nibble(a, depth) == nibble(b, depth))
        depth++;
    return depth;
}

static bool is_leaf(uint32_t ref)
{
    return (ref & LEAF_BIT) != 0;
}

static struct leaf *leaf_of(const struct merkle *m, uint32_t ref)
{
    return &m->leaves[(ref & ~LEAF_BIT) - 1];
}

static struct branch *branch_of(const struct merkle *m, uint32_t ref)
{
    return &m->branches[ref - 1];
}

/* Some leaf below a node: all of them share the prefix that the node stands for. */
static const struct leaf *any_leaf(const struct merkle *m, uint32_t ref)
{
    while (!is_leaf(ref)) {
        const struct branch *b = branch_of(m, ref);
        unsigned g = 0;

        while (b->child[g] == 0)
            g++;
        ref = b->child[g];
    }
    return leaf_of(m, ref);
}

static uint32_t count_of(const struct merkle *m, uint32_t ref)
{
    if (ref == 0)
        return 0;
    return is_leaf(ref) ? 1 : branch_of(m, ref)->count;
}

/* Goes down as far as the key's nibbles lead, whatever the skipped ones are: the leaf (or, at an
 * empty child, the branch) reached shares the longest prefix with the key that any element does. */
static uint32_t descend(const struct merkle *m, const struct digest *key)
{
    uint32_t ref = m->root;

    while (ref != 0 && !is_leaf(ref)) {
        const struct branch *b = branch_of(m, ref);
        uint32_t child = b->child[nibble(key, b->depth)];

        if (child == 0)
            break;
        ref = child;
    }
    return ref;
}

static uint32_t take_leaf(struct merkle *m, const struct digest *key, const struct digest *value)
{
    uint32_t slot = m->leaf_slots[--m->leaf_free];

    m->leaves[slot] = (struct leaf){ .key = *key, .value = *value };
    m->count++;
    return (slot + 1) | LEAF_BIT;
}

static uint32_t take_branch(struct merkle *m, unsigned depth, uint32_t count)
{
    uint32_t slot;

    CHECK(m->branch_free > 0); /* one branch less than leaves is always enough */
    slot = m->branch_slots[--m->branch_free];
    m->branches[slot] = (struct branch){ .depth = (uint8_t)depth, .count = count, .dirty = true };
    return slot + 1;
}

/* Hangs a new leaf into the trie where its key parts from the others at nibble `depth`. */
static void hang(struct merkle *m, uint32_t leaf, const struct digest *key, unsigned depth)
{
    uint32_t *place = &m->root, fork;

    while (!is_leaf(*place) && branch_of(m, *place)->depth < depth) {
        struct branch *b = branch_of(m, *place);

        b->count++;
        b->dirty = true;
        place = &b->child[nibble(key, b->depth)];
    }
    if (!is_leaf(*place) && branch_of(m, *place)->depth == depth) {
        struct branch *b = branch_of(m, *place);

        CHECK(b->child[nibble(key, depth)] == 0);
        b->count++;
        b->dirty = true;
        b->child[nibble(key, depth)] = leaf;
        return;
    }
    fork = take_branch(m, depth, count_of(m, *place) + 1);
    branch_of(m, fork)->child[nibble(&any_leaf(m, *place)->key, depth)] = *place;
    branch_of(m, fork)->child[nibble(key, depth)] = leaf;
    *place = fork;
}

static void replace(struct merkle *m, const struct digest *key, const struct digest *value)
{
    uint32_t ref = m->root;

    while (!is_leaf(ref)) {
        struct branch *b = branch_of(m, ref);

        b->dirty = true;
        ref = b->child[nibble(key, b->depth)];
    }
    leaf_of(m, ref)->value = *value;
}

int merkle_put(struct merkle *m, const struct digest *key, const struct digest *value,
               uint32_t *ret_slot)
{
    uint32_t near = descend(m, key), leaf;
    unsigned depth = near == 0 ? 0 : first_difference(&any_leaf(m, near)->key, key);

    if (near != 0 && depth == MERKLE_DEPTH_MAX) {
        replace(m, key, value);
        if (ret_slot)
            *ret_slot = (near & ~LEAF_BIT) - 1;
        return 0;
    }
    if (m->leaf_free == 0)
        return -ENOSPC;
    leaf = take_leaf(m, key, value);
    if (near == 0)
        m->root = leaf;
    else
        hang(m, leaf, key, depth);
    if (ret_slot)
        *ret_slot = (leaf & ~LEAF_BIT) - 1;
    return 1;
}

/* A branch with one child left gives its place to it. */
static void shrink(struct merkle *m, uint32_t *place)
{
    struct branch *b = branch_of(m, *place);
    uint32_t only = 0;

    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        if (b->child[g] == 0)
            continue;
        if (only != 0)
            return;
        only = b->child[g];
    }
    m->branch_slots[m->branch_free++] = *place - 1;
    *place = only;
}

bool merkle_delete(struct merkle *m, const struct digest *key)
{
    uint32_t *place = &m->root, *parent = NULL;

    if (merkle_find(m, key) == MERKLE_NONE)
        return false;
    while (!is_leaf(*place)) {
        struct branch *b = branch_of(m, *place);

        b->count--;
        b->dirty = true;
        parent = place;
        place = &b->child[nibble(key, b->depth)];
    }
    m->leaf_slots[m->leaf_free++] = (*place & ~LEAF_BIT) - 1;
    m->count--;
    *place = 0;
    if (parent)
        shrink(m, parent);
    return true;
}

uint32_t merkle_find(const struct merkle *m, const struct digest *key)
{
    uint32_t ref = descend(m, key);

    if (ref == 0 || !is_leaf(ref) ||
        memcmp(leaf_of(m, ref)->key.bytes, key->bytes, DIGEST_SIZE) != 0)
        return MERKLE_NONE;
    return (ref & ~LEAF_BIT) - 1;
}

const struct digest *merkle_key(const struct merkle *m, uint32_t slot)
{
    CHECK(slot < m->capacity);
    return &m->leaves[slot].key;
}

const struct digest *merkle_value(const struct merkle *m, uint32_t slot)
{
    CHECK(slot < m->capacity);
    return &m->leaves[slot].value;
}

uint32_t merkle_count(const struct merkle *m)
{
    return m->count;
}

/* Recurses at most MERKLE_DEPTH_MAX deep. */
static struct digest hash_of(struct merkle *m, uint32_t ref)
{
    static const char domain[] = "broch trie 1";
    uint8_t bytes[sizeof(domain) + 2 + MERKLE_FAN_OUT * DIGEST_SIZE];
    struct output o = output_make(bytes, sizeof(bytes));
    struct branch *b;
    uint16_t which = 0;

    if (ref == 0)
        return (struct digest){ { 0 } };
    if (is_leaf(ref))
        return leaf_of(m, ref)->value;
    b = branch_of(m, ref);
    if (!b->dirty)
        return b->hash;
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++)
        which |= (uint16_t)((b->child[g] != 0) << g);
    output_copy(&o, domain, sizeof(domain));
    output_le16(&o, which);
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        if (b->child[g] != 0)
            output_copy(&o, hash_of(m, b->child[g]).bytes, DIGEST_SIZE);
    }
    CHECK(output_fits(&o));
    b->hash = digest_bytes(bytes, o.size);
    b->dirty = false;
    return b->hash;
}

struct digest merkle_root(struct merkle *m)
{
    return hash_of(m, m->root);
}

/* The node that holds exactly the elements below a prefix; 0 for none. */
static uint32_t below(const struct merkle *m, const struct digest *prefix, unsigned depth)
{
    uint32_t ref = m->root;

    while (ref != 0 && !is_leaf(ref) && branch_of(m, ref)->depth < depth) {
        const struct branch *b = branch_of(m, ref);

        ref = b->child[nibble(prefix, b->depth)];
    }
    if (ref != 0 && first_difference(&any_leaf(m, ref)->key, prefix) < depth)
        return 0;
    return ref;
}

uint32_t merkle_groups(struct merkle *m, const struct digest *prefix, unsigned depth,
                       struct merkle_group ret[static MERKLE_FAN_OUT])
{
    uint32_t ref = below(m, prefix, depth);

    CHECK(depth < MERKLE_DEPTH_MAX);
    memset(ret, 0, MERKLE_FAN_OUT * sizeof(ret[0]));
    if (ref == 0)
        return 0;
    if (is_leaf(ref) || branch_of(m, ref)->depth > depth) {
        unsigned g = nibble(&any_leaf(m, ref)->key, depth);

        ret[g] = (struct merkle_group){ .count = count_of(m, ref), .hash = hash_of(m, ref) };
        return ret[g].count;
    }
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++) {
        uint32_t child = branch_of(m, ref)->child[g];

        ret[g] = (struct merkle_group){ .count = count_of(m, child), .hash = hash_of(m, child) };
    }
    return count_of(m, ref);
}

static uint32_t list_below(const struct merkle *m, uint32_t ref, uint32_t *slots, uint32_t count,
                           uint32_t capacity)
{
    if (ref == 0 || count == capacity)
        return count;
    if (is_leaf(ref)) {
        slots[count] = (ref & ~LEAF_BIT) - 1;
        return count + 1;
    }
    for (unsigned g = 0; g < MERKLE_FAN_OUT; g++)
        count = list_below(m, branch_of(m, ref)->child[g], slots, count, capacity);
    return count;
}

uint32_t merkle_list(const struct merkle *m, const struct digest *prefix, unsigned depth,
                     uint32_t *ret_slots, uint32_t capacity)
{
    uint32_t ref = below(m, prefix, depth);

    (void)list_below(m, ref, ret_slots, 0, capacity); /* the count is known without */
    return count_of(m, ref);
}
