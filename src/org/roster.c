#include "org/roster.h"

#include <errno.h>
#include <string.h>

struct place {
    uint64_t hash;
    uint64_t id; /* breaks ties, so that the order never depends on slots */
    uint16_t slot;
};

struct roster {
    uint8_t salt[SIPHASH_KEY_SIZE];
    uint16_t capacity;
    uint16_t count;
    uint16_t *sorted;              /* `count` slots by id */
    struct place *places;          /* scratch of roster_seal() */
    struct roster_member *members; /* by slot */
};

size_t roster_size(uint16_t capacity)
{
    CHECK(capacity > 0 && capacity <= ROSTER_CAPACITY_MAX);
    return sizeof(struct roster) +
           capacity * (sizeof(struct roster_member) + sizeof(struct place) + sizeof(uint16_t));
}

static void lay_out(struct roster *r, uint16_t capacity)
{
    r->capacity = capacity;
    r->members = (struct roster_member *)(r + 1);
    r->places = (struct place *)(r->members + capacity);
    r->sorted = (uint16_t *)(r->places + capacity);
}

struct roster *roster_init(void *memory, uint16_t capacity,
                           const uint8_t salt[static SIPHASH_KEY_SIZE])
{
    struct roster *r = memory;

    memset(memory, 0, roster_size(capacity));
    lay_out(r, capacity);
    memcpy(r->salt, salt, SIPHASH_KEY_SIZE);
    return r;
}

void roster_copy(struct roster *to, const struct roster *from)
{
    CHECK(to->capacity == from->capacity);
    memcpy(to, from, roster_size(from->capacity));
    lay_out(to, from->capacity);
}

/* The first position in r->sorted whose id is not below `id`. */
static uint16_t position(const struct roster *r, uint64_t id)
{
    uint16_t low = 0, high = r->count;

    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);

        if (r->members[r->sorted[middle]].id < id)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return low;
}

uint16_t roster_find(const struct roster *r, uint64_t id)
{
    uint16_t at = position(r, id);

    if (at < r->count && r->members[r->sorted[at]].id == id)
        return r->sorted[at];
    return ROSTER_NONE;
}

int roster_add(struct roster *r, uint64_t id, uint16_t *ret_slot)
{
    uint16_t slot = 0, at = position(r, id);

    if (id == 0)
        return -EINVAL;
    if (at < r->count && r->members[r->sorted[at]].id == id)
        return -EEXIST;
    if (r->count == r->capacity)
        return -ENOSPC;
    while (r->members[slot].id != 0)
        slot++;
    memmove(r->sorted + at + 1, r->sorted + at, (size_t)(r->count - at) * sizeof(*r->sorted));
    r->sorted[at] = slot;
    r->count++;
    r->members[slot] = (struct roster_member){ .id = id };
    *ret_slot = slot;
    return 0;
}

int roster_remove(struct roster *r, uint16_t slot)
{
    uint16_t at;

    if (slot >= r->capacity || r->members[slot].id == 0)
        return -ENOENT;
    at = position(r, r->members[slot].id);
    CHECK(at < r->count && r->sorted[at] == slot);
    r->count--;
    memmove(r->sorted + at, r->sorted + at + 1, (size_t)(r->count - at) * sizeof(*r->sorted));
    r->members[slot] = (struct roster_member){ .id = 0 };
    return 0;
}

static bool before(const struct place *a, const struct place *b)
{
    return a->hash < b->hash || (a->hash == b->hash && a->id < b->id);
}

static void sift_down(struct place *places, size_t root, size_t count)
{
    for (;;) {
        size_t child = 2 * root + 1;
        struct place former = places[root];

        if (child >= count)
            return;
        if (child + 1 < count && before(&places[child], &places[child + 1]))
            child++;
        if (!before(&places[root], &places[child]))
            return;
        places[root] = places[child];
        places[child] = former;
        root = child;
    }
}

/* Heap sort: libc's qsort() may allocate. */
static void sort_places(struct place *places, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(places, i, count);
    for (size_t end = count; end > 1; end--) {
        struct place former = places[0];

        places[0] = places[end - 1];
        places[end - 1] = former;
        sift_down(places, 0, end - 1);
    }
}

static uint64_t ring_hash(const struct roster *r, uint8_t ring, uint64_t id)
{
    uint8_t message[9] = { ring };

    for (unsigned int i = 0; i < 8; i++)
        message[1 + i] = (uint8_t)(id >> (8 * i));
    return siphash(r->salt, message, sizeof(message));
}

static bool has_observer(const struct roster_member *m, uint16_t slot)
{
    for (uint8_t i = 0; i < m->observer_count; i++) {
        if (m->observers[i] == slot)
            return true;
    }
    return false;
}

static void join_pair(struct roster *r, uint16_t a, uint16_t b)
{
    struct roster_member *first = &r->members[a], *second = &r->members[b];

    if (a == b || has_observer(first, b) || first->observer_count == ROSTER_OBSERVERS_MAX ||
        second->observer_count == ROSTER_OBSERVERS_MAX)
        return;
    first->observers[first->observer_count++] = b;
    second->observers[second->observer_count++] = a;
}

/* Orders the members with room for another observer on one ring and joins neighbours. */
static size_t join_ring(struct roster *r, uint8_t ring)
{
    size_t count = 0;

    for (uint16_t i = 0; i < r->count; i++) {
        const struct roster_member *m = &r->members[r->sorted[i]];

        if (m->observer_count < ROSTER_OBSERVERS_MAX)
            r->places[count++] = (struct place){ ring_hash(r, ring, m->id), m->id, r->sorted[i] };
    }
    sort_places(r->places, count);
    for (size_t i = 0; i < count; i++)
        join_pair(r, r->places[i].slot, r->places[(i + 1) % count].slot);
    return count;
}

static void join_everybody(struct roster *r)
{
    for (uint16_t i = 0; i < r->count; i++) {
        for (uint16_t j = (uint16_t)(i + 1); j < r->count; j++)
            join_pair(r, r->sorted[i], r->sorted[j]);
    }
}

void roster_seal(struct roster *r)
{
    for (uint16_t i = 0; i < r->count; i++)
        r->members[r->sorted[i]].observer_count = 0;
    if (r->count <= ROSTER_OBSERVERS_MAX + 1) {
        join_everybody(r);
        return;
    }
    for (uint8_t ring = 0; ring < ROSTER_RINGS + ROSTER_RINGS_EXTRA_MAX; ring++) {
        if (join_ring(r, ring) < 2)
            break;
    }
}

uint16_t roster_capacity(const struct roster *r)
{
    return r->capacity;
}

uint16_t roster_count(const struct roster *r)
{
    return r->count;
}

const struct roster_member *roster_member(const struct roster *r, uint16_t slot)
{
    if (slot >= r->capacity || r->members[slot].id == 0)
        return NULL;
    return &r->members[slot];
}

bool roster_adjacent(const struct roster *r, uint16_t slot, uint16_t other)
{
    const struct roster_member *m = roster_member(r, slot);

    return m && has_observer(m, other);
}
