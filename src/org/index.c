#include "org/index.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"

struct index {
    struct merkle *trie;
    const struct gf64 *field;
    uint64_t *ids; /* by slot */
    uint32_t slots;
    uint8_t salt[DIGEST_SALT_SIZE];
    struct sketch sketch;
};

int index_new(uint32_t capacity, const uint8_t salt[static DIGEST_SALT_SIZE], struct index **ret)
{
    struct index *index = heap_take(1, sizeof(*index));

    if (!index)
        return -ENOMEM;
    index->field = gf64_best();
    memcpy(index->salt, salt, DIGEST_SALT_SIZE);
    index->ids = heap_take(capacity, sizeof(index->ids[0]));
    if (!index->ids || merkle_new(capacity, &index->trie) < 0) {
        (void)index_free(index);
        return -ENOMEM;
    }
    *ret = index;
    return 0;
}

struct index *index_free(struct index *index)
{
    if (!index)
        return NULL;
    (void)merkle_free(index->trie);
    heap_release(index->ids);
    heap_release(index);
    return NULL;
}

uint64_t index_short_id(const uint8_t salt[static DIGEST_SALT_SIZE], const struct digest *value)
{
    uint64_t id = digest_short(salt, value->bytes, DIGEST_SIZE);

    return id == 0 ? 1 : id;
}

int index_put(struct index *index, const struct digest *key, const struct digest *value)
{
    uint64_t id = index_short_id(index->salt, value);
    uint32_t slot;
    int r = merkle_put(index->trie, key, value, &slot);

    if (r < 0)
        return r;
    if (r == 0 && index->ids[slot] == id)
        return 0;
    if (r == 0)
        sketch_toggle(&index->sketch, index->field, index->ids[slot]);
    index->ids[slot] = id;
    sketch_toggle(&index->sketch, index->field, id);
    if (slot >= index->slots)
        index->slots = slot + 1;
    return r;
}

bool index_delete(struct index *index, const struct digest *key)
{
    uint32_t slot = merkle_find(index->trie, key);

    if (slot == MERKLE_NONE)
        return false;
    sketch_toggle(&index->sketch, index->field, index->ids[slot]);
    index->ids[slot] = 0;
    return merkle_delete(index->trie, key);
}

struct digest index_root(struct index *index)
{
    return merkle_root(index->trie);
}

uint32_t index_count(const struct index *index)
{
    return merkle_count(index->trie);
}

const struct sketch *index_sketch(const struct index *index)
{
    return &index->sketch;
}

struct merkle *index_trie(struct index *index)
{
    return index->trie;
}

uint32_t index_slots(const struct index *index)
{
    return index->slots;
}

uint64_t index_id(const struct index *index, uint32_t slot)
{
    return slot < index->slots ? index->ids[slot] : 0;
}
