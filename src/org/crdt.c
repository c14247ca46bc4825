#include "org/crdt.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"

/* Which entries a cover is about: the SETs of one field, all SETs, or anything (for DELETEs). */
enum { SCOPE_SETS = ENTRY_FIELD_MAX + 1, SCOPE_ANY };

struct cover {
    const uint8_t *author; /* NULL: free */
    uint64_t instance;
    uint64_t seq; /* everything up to here is covered */
    uint32_t scope;
};

struct crdt_scratch {
    uint32_t mask;
    uint32_t used;
    uint32_t used_max;
    struct cover covers[];
};

int crdt_scratch_new(uint32_t covers_max, struct crdt_scratch **ret)
{
    struct crdt_scratch *scratch;
    uint32_t slots = 4;

    CHECK(covers_max < UINT32_MAX / 8);
    while (slots < 2 * covers_max)
        slots *= 2;
    scratch = heap_take(1, sizeof(*scratch) + slots * sizeof(scratch->covers[0]));
    if (!scratch)
        return -ENOMEM;
    scratch->mask = slots - 1;
    scratch->used_max = covers_max;
    *ret = scratch;
    return 0;
}

struct crdt_scratch *crdt_scratch_free(struct crdt_scratch *scratch)
{
    heap_release(scratch);
    return NULL;
}

static struct cover *cover_place(struct crdt_scratch *scratch, uint32_t scope,
                                 const uint8_t *author, uint64_t instance)
{
    uint64_t mixed = instance ^ ((uint64_t)scope << 32) ^ author[0] ^ ((uint64_t)author[1] << 8) ^
                     ((uint64_t)author[2] << 16);
    uint32_t slot = (uint32_t)((mixed * 0x9e3779b97f4a7c15ull) >> 32) & scratch->mask;

    while (scratch->covers[slot].author) {
        struct cover *c = &scratch->covers[slot];

        if (c->scope == scope && entry_chain_compare(c->author, c->instance, author, instance) == 0)
            break;
        slot = (slot + 1) & scratch->mask;
    }
    return &scratch->covers[slot];
}

static bool cover_add(struct crdt_scratch *scratch, uint32_t scope, const uint8_t *author,
                      uint64_t instance, uint64_t seq)
{
    struct cover *c = cover_place(scratch, scope, author, instance);

    if (c->author) {
        if (seq > c->seq)
            c->seq = seq;
        return true;
    }
    if (scratch->used == scratch->used_max)
        return false;
    scratch->used++;
    *c = (struct cover){ .author = author, .instance = instance, .seq = seq, .scope = scope };
    return true;
}

static bool cover_holds(struct crdt_scratch *scratch, uint32_t scope, const struct crdt_item *item)
{
    const struct cover *c = cover_place(scratch, scope, item->author, item->instance);

    return c->author && item->seq <= c->seq;
}

static bool is_ordered(uint8_t operation)
{
    return operation == ENTRY_SET || operation == ENTRY_DELETE;
}

static bool add_covers_of(struct crdt_scratch *scratch, const struct crdt_item *item)
{
    const struct entry *e = &item->entry;
    uint32_t scope = e->operation == ENTRY_DELETE ? SCOPE_SETS : e->field;

    if (!cover_add(scratch, scope, item->author, item->instance, item->seq - 1) ||
        !cover_add(scratch, SCOPE_ANY, item->author, item->instance, item->seq - 1))
        return false;
    for (size_t i = 0; i < e->context_count; i++) {
        const struct entry_seen *s = &e->context[i];

        if (!cover_add(scratch, scope, s->author, s->instance, s->seq) ||
            !cover_add(scratch, SCOPE_ANY, s->author, s->instance, s->seq))
            return false;
    }
    return true;
}

/* Collects all covers; false when the scratch is too small for this key. */
static bool collect_covers(struct crdt_scratch *scratch, const struct crdt_source *source)
{
    struct crdt_item item;

    memset(scratch->covers, 0, (scratch->mask + 1u) * sizeof(scratch->covers[0]));
    scratch->used = 0;
    for (size_t i = 0; i < source->count; i++) {
        source->at(source->context, i, &item);
        if (is_ordered(item.entry.operation) && !add_covers_of(scratch, &item))
            return false;
    }
    return true;
}

static bool covers(const struct crdt_item *by, const struct crdt_item *item)
{
    if (entry_chain_compare(by->author, by->instance, item->author, item->instance) == 0)
        return item->seq < by->seq;
    for (size_t i = 0; i < by->entry.context_count; i++) {
        const struct entry_seen *s = &by->entry.context[i];

        if (entry_chain_compare(s->author, s->instance, item->author, item->instance) == 0)
            return item->seq <= s->seq;
    }
    return false;
}

static bool covered_pairwise(const struct crdt_source *source, const struct crdt_item *item)
{
    struct crdt_item by;

    for (size_t i = 0; i < source->count; i++) {
        source->at(source->context, i, &by);
        if (!is_ordered(by.entry.operation) || !covers(&by, item))
            continue;
        if (item->entry.operation == ENTRY_DELETE || by.entry.operation == ENTRY_DELETE ||
            by.entry.field == item->entry.field)
            return true;
    }
    return false;
}

static bool covered(struct crdt_scratch *scratch, bool collected, const struct crdt_source *source,
                    const struct crdt_item *item)
{
    if (!collected)
        return covered_pairwise(source, item);
    if (item->entry.operation == ENTRY_DELETE)
        return cover_holds(scratch, SCOPE_ANY, item);
    return cover_holds(scratch, item->entry.field, item) || cover_holds(scratch, SCOPE_SETS, item);
}

/* Within one (operation, field), who comes first: the reader's choice. RAISE: the larger number. */
static int rank(const struct crdt_value *a, const struct crdt_value *b)
{
    int order;

    if (a->operation == ENTRY_RAISE) {
        for (size_t i = 8; i-- > 0;) {
            if (a->value[i] != b->value[i])
                return a->value[i] > b->value[i] ? -1 : 1;
        }
    }
    if (a->stamp != b->stamp)
        return a->stamp > b->stamp ? -1 : 1;
    order = entry_chain_compare(b->author, b->instance, a->author, a->instance);
    if (order != 0)
        return order;
    return a->seq > b->seq ? -1 : a->seq < b->seq;
}

static int place_compare(const struct crdt_value *a, const struct crdt_value *b)
{
    if (a->operation != b->operation)
        return a->operation < b->operation ? -1 : 1;
    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    return rank(a, b);
}

static bool same_bytes(const struct crdt_value *a, const struct crdt_value *b)
{
    return a->value_size == b->value_size && memcmp(a->value, b->value, a->value_size) == 0;
}

/* Of a grow-only set each value stands once, of a max-register only the largest: returns true when
 * the newcomer is in already or took the place of what it outranks. */
static bool absorbed(struct crdt_document *d, const struct crdt_value *v)
{
    for (size_t i = 0; v->operation != ENTRY_SET && i < d->count; i++) {
        struct crdt_value *w = &d->values[i];

        if (w->operation != v->operation || w->field != v->field)
            continue;
        if (v->operation == ENTRY_ADD && !same_bytes(v, w))
            continue;
        if (rank(v, w) > 0)
            return true;
        memmove(w, w + 1, (--d->count - i) * sizeof(*w)); /* the better one is inserted instead */
        return false;
    }
    return false;
}

static void insert(struct crdt_document *d, const struct crdt_value *v)
{
    size_t low = 0, high;

    if (absorbed(d, v))
        return;
    high = d->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (place_compare(&d->values[middle], v) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (d->count == d->capacity) {
        d->truncated = true;
        if (low == d->capacity)
            return;
        d->count--;
    }
    memmove(&d->values[low + 1], &d->values[low], (d->count - low) * sizeof(*v));
    d->values[low] = *v;
    d->count++;
}

static void mark_winners(struct crdt_document *d)
{
    size_t first = 0; /* of the current (operation, field) */

    for (size_t i = 0; i < d->count; i++) {
        struct crdt_value *v = &d->values[i];

        if (v->operation != d->values[first].operation || v->field != d->values[first].field)
            first = i;
        v->winner = i == first;
        if (v->operation != ENTRY_SET || v->winner || same_bytes(v, &d->values[first]))
            continue;
        v->conflict = true;
        d->conflict = true;
        for (size_t k = first; k < i; k++)
            d->values[k].conflict = true;
    }
}

static struct crdt_value value_of(const struct crdt_item *item)
{
    return (struct crdt_value){
        .author = item->author,
        .value = item->entry.value,
        .instance = item->instance,
        .seq = item->seq,
        .stamp = item->entry.stamp,
        .field = item->entry.field,
        .value_size = (uint32_t)item->entry.value_size,
        .operation = item->entry.operation,
    };
}

void crdt_fold(struct crdt_scratch *scratch, const struct crdt_source *source,
               struct crdt_document *ret)
{
    bool collected = collect_covers(scratch, source), open_delete = false;
    struct crdt_item item;

    ret->count = 0;
    ret->exists = ret->conflict = ret->truncated = false;
    for (size_t i = 0; i < source->count; i++) {
        struct crdt_value value;

        source->at(source->context, i, &item);
        if (item.entry.operation < ENTRY_SET || item.entry.operation > ENTRY_RAISE)
            continue;
        if (is_ordered(item.entry.operation) && covered(scratch, collected, source, &item))
            continue;
        if (item.entry.operation == ENTRY_DELETE) {
            open_delete = true;
            continue;
        }
        ret->exists |= item.entry.operation == ENTRY_SET;
        value = value_of(&item);
        insert(ret, &value);
    }
    mark_winners(ret);
    ret->conflict |= ret->exists && open_delete;
}

/* True when another ADD of this value, or RAISE of this field, by the same chain ranks higher. */
static bool outranked(const struct crdt_source *source, const struct crdt_item *item)
{
    struct crdt_value own = value_of(item);

    if (source->count > CRDT_COMPARED_MAX)
        return false;
    for (size_t i = 0; i < source->count; i++) {
        struct crdt_item other;
        struct crdt_value value;

        source->at(source->context, i, &other);
        value = value_of(&other);
        if (value.operation != own.operation || value.field != own.field ||
            entry_chain_compare(value.author, value.instance, own.author, own.instance) != 0)
            continue;
        if (own.operation == ENTRY_ADD && !same_bytes(&value, &own))
            continue;
        if (rank(&value, &own) < 0)
            return true;
    }
    return false;
}

void crdt_needed(struct crdt_scratch *scratch, const struct crdt_source *source,
                 void (*mark)(void *context, size_t index), void *context)
{
    bool collected = collect_covers(scratch, source), exists = false;
    struct crdt_item item;

    for (size_t i = 0; i < source->count && !exists; i++) {
        source->at(source->context, i, &item);
        exists = item.entry.operation == ENTRY_SET && !covered(scratch, collected, source, &item);
    }
    for (size_t i = 0; i < source->count; i++) {
        bool needed = true;

        source->at(source->context, i, &item);
        if (is_ordered(item.entry.operation))
            needed = (item.entry.operation == ENTRY_SET || exists) &&
                     !covered(scratch, collected, source, &item);
        else if (item.entry.operation == ENTRY_ADD || item.entry.operation == ENTRY_RAISE)
            needed = !outranked(source, &item);
        if (needed)
            mark(context, i);
    }
}
