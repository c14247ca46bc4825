#include "org/leaf.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/heap.h"
#include "base/output.h"
#include "base/varint.h"

struct leaf_slot {
    uint8_t node[32];
    uint64_t instance;
    uint64_t seq;
    uint64_t stamp;
    bool forked;
    struct digest root;
    size_t size;
    uint8_t bytes[LEAF_SIZE_MAX];
};

struct leaf_set {
    struct leaf_rules rules;
    struct digest org;
    uint32_t nodes_max;
    uint32_t count;
    struct leaf_slot slots[];
};

/* One side of a proof: what two statements of one place differ in. */
struct side {
    uint8_t bytes[8 + DIGEST_SIZE + LEAF_SIGNATURE_SIZE];
};

static int leaf_order(const struct leaf_value *a, const struct leaf_value *b)
{
    size_t shorter = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    order = memcmp(a->key, b->key, shorter);
    if (order != 0)
        return order;
    return (int)a->key_size - (int)b->key_size;
}

static void read_leaf(struct cursor *c, struct leaf_value *ret)
{
    ret->kind = cursor_le16(c);
    ret->key_size = (uint8_t)varint_read(c, LEAF_KEY_SIZE_MAX);
    if (ret->key_size == 0)
        c->failed = true;
    ret->key = cursor_take(c, ret->key_size);
    ret->value_size = (uint32_t)varint_read(c, LEAF_SIZE_MAX);
    ret->value = cursor_take(c, ret->value_size);
}

int leaf_decode(const void *bytes, size_t size, struct leaf_statement *ret)
{
    static const char domain[] = "broch leaf root 1";
    uint8_t digests[sizeof(domain) + LEAF_COUNT_MAX * DIGEST_SIZE];
    struct output o = output_make(digests, sizeof(digests));
    struct cursor c = cursor_make(bytes, size);

    if (size > LEAF_SIZE_MAX || cursor_u8(&c) != LEAF_STATEMENT)
        return -EBADMSG;
    ret->node = cursor_take(&c, 32);
    ret->instance = cursor_le64(&c);
    ret->seq = varint_read(&c, UINT64_MAX);
    ret->stamp = cursor_le64(&c);
    ret->count = (uint32_t)varint_read(&c, LEAF_COUNT_MAX);
    if (c.failed || ret->seq == 0)
        return -EBADMSG;
    output_copy(&o, domain, sizeof(domain));
    for (uint32_t i = 0; i < ret->count; i++) {
        size_t start = c.offset;

        read_leaf(&c, &ret->leaves[i]);
        if (c.failed || (i > 0 && leaf_order(&ret->leaves[i - 1], &ret->leaves[i]) >= 0))
            return -EBADMSG;
        output_copy(&o, digest_bytes(c.bytes + start, c.offset - start).bytes, DIGEST_SIZE);
    }
    ret->signature = cursor_take(&c, LEAF_SIGNATURE_SIZE);
    if (!cursor_finished(&c))
        return -EBADMSG;
    CHECK(output_fits(&o));
    ret->root = digest_bytes(digests, o.size);
    return 0;
}

int leaf_encode(const struct leaf_statement *s, uint8_t bytes[static LEAF_SIZE_MAX],
                size_t *ret_size)
{
    struct output o = output_make(bytes, LEAF_SIZE_MAX);

    if (s->seq == 0 || s->count > LEAF_COUNT_MAX)
        return -EINVAL;
    output_u8(&o, LEAF_STATEMENT);
    output_copy(&o, s->node, 32);
    output_le64(&o, s->instance);
    varint_write(&o, s->seq);
    output_le64(&o, s->stamp);
    varint_write(&o, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct leaf_value *v = &s->leaves[i];

        if (v->key_size == 0 || (i > 0 && leaf_order(v - 1, v) >= 0))
            return -EINVAL;
        output_le16(&o, v->kind);
        varint_write(&o, v->key_size);
        output_copy(&o, v->key, v->key_size);
        varint_write(&o, v->value_size);
        output_copy(&o, v->value, v->value_size);
    }
    output_copy(&o, s->signature, LEAF_SIGNATURE_SIZE);
    if (!output_fits(&o))
        return -E2BIG;
    *ret_size = o.size;
    return 0;
}

void leaf_message(const struct leaf_statement *s, const struct digest *org,
                  uint8_t message[static LEAF_MESSAGE_SIZE])
{
    static const char domain[] = "broch leaves 1";
    struct output o = output_make(message, LEAF_MESSAGE_SIZE);

    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, org->bytes, DIGEST_SIZE);
    output_copy(&o, s->node, 32);
    output_le64(&o, s->instance);
    output_le64(&o, s->seq);
    output_le64(&o, s->stamp);
    output_copy(&o, s->root.bytes, DIGEST_SIZE);
    CHECK(output_fits(&o) && o.size == LEAF_MESSAGE_SIZE);
}

int leaf_set_new(uint32_t nodes_max, const struct leaf_rules *rules, const struct digest *org,
                 struct leaf_set **ret)
{
    struct leaf_set *set = heap_take(1, sizeof(*set) + nodes_max * sizeof(set->slots[0]));

    if (!set)
        return -ENOMEM;
    set->nodes_max = nodes_max;
    set->rules = *rules;
    set->org = *org;
    *ret = set;
    return 0;
}

struct leaf_set *leaf_set_free(struct leaf_set *set)
{
    heap_release(set);
    return NULL;
}

uint32_t leaf_find(const struct leaf_set *set, const uint8_t node[static 32])
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (memcmp(set->slots[i].node, node, 32) == 0)
            return i;
    }
    return UINT32_MAX;
}

static bool signature_holds(const struct leaf_set *set, const struct leaf_statement *s)
{
    uint8_t message[LEAF_MESSAGE_SIZE];

    leaf_message(s, &set->org, message);
    return set->rules.verify(set->rules.context, s->node, message, sizeof(message), s->signature);
}

static struct side side_of(const struct leaf_statement *s)
{
    struct side side;
    struct output o = output_make(side.bytes, sizeof(side.bytes));

    output_le64(&o, s->stamp);
    output_copy(&o, s->root.bytes, DIGEST_SIZE);
    output_copy(&o, s->signature, LEAF_SIGNATURE_SIZE);
    CHECK(output_fits(&o));
    return side;
}

/* The slot of a node, a new one if need be; NULL when there is no room. */
static struct leaf_slot *slot_for(struct leaf_set *set, const uint8_t *node, uint32_t *ret_node)
{
    uint32_t i = leaf_find(set, node);

    if (i == UINT32_MAX) {
        if (set->count == set->nodes_max)
            return NULL;
        i = set->count++;
        memset(&set->slots[i], 0, sizeof(set->slots[i]));
        memcpy(set->slots[i].node, node, 32);
    }
    *ret_node = i;
    return &set->slots[i];
}

static void store_proof(struct leaf_slot *slot, const uint8_t *node, uint64_t instance,
                        uint64_t seq, const struct side sides[2])
{
    struct output o = output_make(slot->bytes, LEAF_PROOF_SIZE_MAX);

    output_u8(&o, LEAF_PROOF);
    output_copy(&o, node, 32);
    output_le64(&o, instance);
    varint_write(&o, seq);
    output_copy(&o, sides[0].bytes, sizeof(sides[0].bytes));
    output_copy(&o, sides[1].bytes, sizeof(sides[1].bytes));
    CHECK(output_fits(&o));
    slot->size = o.size;
    slot->instance = instance;
    slot->seq = seq;
    slot->forked = true;
}

/* The order of places in a node's life. */
static int place_order(uint64_t instance, uint64_t seq, const struct leaf_slot *slot)
{
    if (instance != slot->instance)
        return instance < slot->instance ? -1 : 1;
    return seq < slot->seq ? -1 : seq > slot->seq;
}

static int take_same_place(struct leaf_slot *slot, const struct leaf_statement *s)
{
    struct leaf_statement held;
    struct side sides[2], kept;
    int r = leaf_decode(slot->bytes, slot->size, &held);

    CHECK(r == 0); /* it was decoded when it was taken */
    if (held.stamp == s->stamp && memcmp(held.root.bytes, s->root.bytes, DIGEST_SIZE) == 0)
        return LEAF_KNOWN;
    sides[0] = side_of(&held);
    sides[1] = side_of(s);
    if (memcmp(sides[0].bytes, sides[1].bytes, sizeof(sides[0].bytes)) > 0) {
        kept = sides[0];
        sides[0] = sides[1];
        sides[1] = kept;
    }
    store_proof(slot, slot->node, s->instance, s->seq, sides);
    return LEAF_FORKED;
}

static int take_statement(struct leaf_set *set, const uint8_t *bytes, size_t size,
                          uint32_t *ret_node)
{
    struct leaf_statement s;
    struct leaf_slot *slot;
    uint32_t node;
    int order;

    if (leaf_decode(bytes, size, &s) < 0)
        return -EBADMSG;
    if (!set->rules.admits(set->rules.context, s.node))
        return LEAF_STRANGER;
    node = leaf_find(set, s.node);
    if (node != UINT32_MAX) {
        slot = &set->slots[node];
        order = place_order(s.instance, s.seq, slot);
        *ret_node = node;
        if (slot->forked || order < 0)
            return LEAF_OLDER; /* before the signature: old news costs no time */
        if (size == slot->size && memcmp(bytes, slot->bytes, size) == 0)
            return LEAF_KNOWN;
        if (!signature_holds(set, &s))
            return -EKEYREJECTED;
        if (order == 0)
            return take_same_place(slot, &s);
    } else if (!signature_holds(set, &s)) {
        return -EKEYREJECTED;
    }
    slot = slot_for(set, s.node, ret_node);
    if (!slot)
        return -ENOSPC;
    slot->instance = s.instance;
    slot->seq = s.seq;
    slot->stamp = s.stamp;
    slot->root = s.root;
    slot->size = size;
    memcpy(slot->bytes, bytes, size);
    return LEAF_TOOK;
}

static bool side_holds(const struct leaf_set *set, struct leaf_statement *s,
                       const struct side *side)
{
    struct cursor c = cursor_make(side->bytes, sizeof(side->bytes));

    s->stamp = cursor_le64(&c);
    cursor_copy(&c, s->root.bytes, DIGEST_SIZE);
    s->signature = cursor_take(&c, LEAF_SIGNATURE_SIZE);
    return signature_holds(set, s);
}

static int take_proof(struct leaf_set *set, const uint8_t *bytes, size_t size, uint32_t *ret_node)
{
    struct cursor c = cursor_make(bytes, size);
    struct leaf_statement s;
    struct leaf_slot *slot;
    struct side sides[2];
    uint32_t node;

    cursor_skip(&c, 1);
    s.node = cursor_take(&c, 32);
    s.instance = cursor_le64(&c);
    s.seq = varint_read(&c, UINT64_MAX);
    cursor_copy(&c, sides[0].bytes, sizeof(sides[0].bytes));
    cursor_copy(&c, sides[1].bytes, sizeof(sides[1].bytes));
    if (!cursor_finished(&c) || s.seq == 0 ||
        memcmp(sides[0].bytes, sides[1].bytes, 8 + DIGEST_SIZE) >= 0)
        return -EBADMSG; /* equal but for the signature is one statement, signed twice */
    if (!set->rules.admits(set->rules.context, s.node))
        return LEAF_STRANGER;
    node = leaf_find(set, s.node);
    if (node != UINT32_MAX && set->slots[node].forked &&
        place_order(s.instance, s.seq, &set->slots[node]) >= 0) {
        *ret_node = node;
        return LEAF_KNOWN; /* the earliest fork is the one that everybody keeps */
    }
    if (!side_holds(set, &s, &sides[0]) || !side_holds(set, &s, &sides[1]))
        return -EKEYREJECTED;
    slot = slot_for(set, s.node, ret_node);
    if (!slot)
        return -ENOSPC;
    store_proof(slot, s.node, s.instance, s.seq, sides);
    return LEAF_FORKED;
}

int leaf_take(struct leaf_set *set, const void *bytes, size_t size, uint32_t *ret_node)
{
    const uint8_t *version = bytes;

    if (size > 0 && *version == LEAF_PROOF)
        return take_proof(set, bytes, size, ret_node);
    return take_statement(set, bytes, size, ret_node);
}

uint32_t leaf_set_count(const struct leaf_set *set)
{
    return set->count;
}

const uint8_t *leaf_bytes(const struct leaf_set *set, uint32_t node, size_t *ret_size)
{
    CHECK(node < set->count);
    *ret_size = set->slots[node].size;
    return set->slots[node].bytes;
}

const uint8_t *leaf_node(const struct leaf_set *set, uint32_t node)
{
    CHECK(node < set->count);
    return set->slots[node].node;
}

struct digest leaf_digest(const struct leaf_set *set, uint32_t node)
{
    static const char domain[] = "broch leaf element 1";
    uint8_t bytes[sizeof(domain) + 32 + 8 + 8 + 1 + 8 + DIGEST_SIZE];
    struct output o = output_make(bytes, sizeof(bytes));
    const struct leaf_slot *slot = &set->slots[node];

    CHECK(node < set->count);
    output_copy(&o, domain, sizeof(domain));
    output_copy(&o, slot->node, 32);
    output_le64(&o, slot->instance);
    output_le64(&o, slot->seq);
    output_u8(&o, slot->forked);
    if (!slot->forked) { /* which two heads prove a fork may differ from node to node */
        output_le64(&o, slot->stamp);
        output_copy(&o, slot->root.bytes, DIGEST_SIZE);
    }
    CHECK(output_fits(&o));
    return digest_bytes(bytes, o.size);
}

int leaf_read(const struct leaf_set *set, uint32_t node, uint16_t kind, const void *key,
              size_t key_size, struct leaf_value *ret)
{
    struct leaf_statement s;

    CHECK(node < set->count);
    if (set->slots[node].forked ||
        leaf_decode(set->slots[node].bytes, set->slots[node].size, &s) < 0)
        return -ENOENT;
    for (uint32_t i = 0; i < s.count; i++) {
        if (s.leaves[i].kind == kind && s.leaves[i].key_size == key_size &&
            memcmp(s.leaves[i].key, key, key_size) == 0) {
            *ret = s.leaves[i];
            return 0;
        }
    }
    return -ENOENT;
}
