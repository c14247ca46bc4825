#include "org/ids.h"

/* Lets the number at `root` sink into the heap ids[0..count). */
static void sink(uint64_t *ids, size_t root, size_t count)
{
    uint64_t id = ids[root];

    while (root < count / 2) {
        size_t child = 2 * root + 1;

        if (child + 1 < count && ids[child + 1] > ids[child])
            child++;
        if (ids[child] <= id)
            break;
        ids[root] = ids[child];
        root = child;
    }
    ids[root] = id;
}

void ids_sort(uint64_t *ids, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sink(ids, i, count);
    for (size_t i = count; i > 1; i--) {
        uint64_t largest = ids[0];

        ids[0] = ids[i - 1];
        ids[i - 1] = largest;
        sink(ids, 0, i - 1);
    }
}

size_t ids_place(const uint64_t *ids, size_t count, uint64_t id)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
