#include "org/store_memory.h"

#include <errno.h>
#include <string.h>

#include "base/heap.h"

struct parcel {
    size_t offset;
    size_t size;
};

struct store_memory {
    size_t bytes_max;
    size_t used;           /* bytes, the transaction under way included */
    size_t committed_used; /* bytes */
    uint32_t parcels_max;
    uint32_t count;
    uint32_t committed;
    uint32_t commits;
    int error;
    uint8_t *bytes;
    struct parcel *parcels;
};

int store_memory_new(size_t bytes_max, uint32_t parcels_max, struct store_memory **ret)
{
    struct store_memory *m = heap_take(1, sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->bytes_max = bytes_max;
    m->parcels_max = parcels_max;
    m->bytes = heap_take(1, bytes_max);
    m->parcels = heap_take(parcels_max, sizeof(m->parcels[0]));
    if (!m->bytes || !m->parcels) {
        (void)store_memory_free(m);
        return -ENOMEM;
    }
    *ret = m;
    return 0;
}

struct store_memory *store_memory_free(struct store_memory *m)
{
    if (!m)
        return NULL;
    heap_release(m->bytes);
    heap_release(m->parcels);
    heap_release(m);
    return NULL;
}

static int memory_append(void *context, const uint8_t *bytes, size_t size)
{
    struct store_memory *m = context;

    if (m->count == m->parcels_max || size > m->bytes_max - m->used)
        return -ENOSPC;
    m->parcels[m->count++] = (struct parcel){ .offset = m->used, .size = size };
    memcpy(m->bytes + m->used, bytes, size);
    m->used += size;
    return 0;
}

static int memory_commit(void *context)
{
    struct store_memory *m = context;

    if (m->error < 0) {
        store_memory_crash(m); /* what a failed commit leaves is what a power cut leaves */
        return m->error;
    }
    m->committed = m->count;
    m->committed_used = m->used;
    m->commits++;
    return 0;
}

static int memory_load(void *context, int (*take)(void *owner, const uint8_t *bytes, size_t size),
                       void *owner)
{
    const struct store_memory *m = context;

    for (uint32_t i = 0; i < m->committed; i++) {
        int r = take(owner, m->bytes + m->parcels[i].offset, m->parcels[i].size);

        if (r < 0)
            return r;
    }
    return 0;
}

struct store store_memory_store(struct store_memory *m)
{
    static const struct store_operations operations = { memory_append, memory_commit, memory_load };

    return (struct store){ &operations, m };
}

void store_memory_crash(struct store_memory *m)
{
    m->count = m->committed;
    m->used = m->committed_used;
}

void store_memory_fail(struct store_memory *m, int error)
{
    m->error = error;
}

int store_memory_restore(struct store_memory *m, const struct store_memory *from)
{
    if (from->committed > m->parcels_max || from->committed_used > m->bytes_max)
        return -ENOSPC;
    memcpy(m->bytes, from->bytes, from->committed_used);
    memcpy(m->parcels, from->parcels, from->committed * sizeof(m->parcels[0]));
    m->count = m->committed = from->committed;
    m->used = m->committed_used = from->committed_used;
    return 0;
}

uint32_t store_memory_commits(const struct store_memory *m)
{
    return m->commits;
}
