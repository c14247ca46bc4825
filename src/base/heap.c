#include "base/heap.h"

#include <stdlib.h>

static bool heap_sealed;
static uint64_t heap_successes = UINT64_MAX;

void *heap_take(size_t count, size_t size)
{
    CHECK(!heap_sealed);
    if (heap_successes != UINT64_MAX && heap_successes-- == 0)
        return NULL; /* and the counter has wrapped: no other request fails */
    /* calloc() checks as well, but a sanitizer takes the question for the fault. */
    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void heap_release(void *block)
{
    free(block);
}

void heap_seal(bool sealed)
{
    heap_sealed = sealed;
}

void heap_fail_after(uint64_t successes)
{
    heap_successes = successes;
}
