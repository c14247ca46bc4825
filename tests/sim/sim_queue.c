#include "sim_queue.h"

#include <stdlib.h>

#include "base/check.h"

enum { ARITY = 4 };

struct key {
    uint64_t at_ns;
    uint32_t order; /* wraps only after four billion events wait at one time */
    uint32_t index;
};

struct sim_queue {
    struct key *heap;
    struct sim_event *events;
    uint32_t *free_list;
    size_t count, capacity, free_count;
    uint32_t order;
};

struct sim_queue *sim_queue_new(void)
{
    struct sim_queue *q = calloc(1, sizeof(*q));

    CHECK(q);
    return q;
}

struct sim_queue *sim_queue_free(struct sim_queue *q)
{
    if (!q)
        return NULL;
    for (size_t i = 0; i < q->count; i++)
        free(q->events[q->heap[i].index].large);
    free(q->heap);
    free(q->events);
    free(q->free_list);
    free(q);
    return NULL;
}

static bool before(const struct key *a, const struct key *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return (int32_t)(a->order - b->order) < 0;
}

static void grow(struct sim_queue *q)
{
    size_t former = q->capacity;

    q->capacity = former ? 2 * former : 1024;
    q->heap = realloc(q->heap, q->capacity * sizeof(*q->heap));
    q->events = realloc(q->events, q->capacity * sizeof(*q->events));
    q->free_list = realloc(q->free_list, q->capacity * sizeof(*q->free_list));
    CHECK(q->heap && q->events && q->free_list);
    for (size_t i = q->capacity; i > former; i--)
        q->free_list[q->free_count++] = (uint32_t)(i - 1);
}

void sim_queue_push(struct sim_queue *q, const struct sim_event *event)
{
    struct key key = { .at_ns = event->at_ns, .order = q->order++ };
    size_t at;

    if (q->free_count == 0)
        grow(q);
    key.index = q->free_list[--q->free_count];
    q->events[key.index] = *event;
    for (at = q->count++; at > 0; at = (at - 1) / ARITY) {
        size_t parent = (at - 1) / ARITY;

        if (!before(&key, &q->heap[parent]))
            break;
        q->heap[at] = q->heap[parent];
    }
    q->heap[at] = key;
}

static size_t first_child(const struct sim_queue *q, size_t at)
{
    size_t child = ARITY * at + 1, best = child;

    if (child >= q->count)
        return 0;
    for (size_t i = child + 1; i < child + ARITY && i < q->count; i++) {
        if (before(&q->heap[i], &q->heap[best]))
            best = i;
    }
    return best;
}

bool sim_queue_pop(struct sim_queue *q, struct sim_event *ret)
{
    struct key last;
    size_t at = 0, child;

    if (q->count == 0)
        return false;
    *ret = q->events[q->heap[0].index];
    q->free_list[q->free_count++] = q->heap[0].index;
    last = q->heap[--q->count];
    while ((child = first_child(q, at)) != 0 && before(&q->heap[child], &last)) {
        q->heap[at] = q->heap[child];
        at = child;
    }
    q->heap[at] = last;
    return true;
}

uint64_t sim_queue_next(const struct sim_queue *q)
{
    return q->count > 0 ? q->heap[0].at_ns : UINT64_MAX;
}
