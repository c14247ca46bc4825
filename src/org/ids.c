#include "org/ids.h"

#include "base/check.h"

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

/* Puts those without the bit in front and returns how many they are. */
static size_t partition(uint64_t *ids, size_t count, unsigned bit)
{
    size_t low = 0, high = count;

    while (low < high) {
        uint64_t id = ids[low];

        if ((id >> bit & 1) == 0) {
            low++;
            continue;
        }
        ids[low] = ids[--high];
        ids[high] = id;
    }
    return low;
}

enum { SELECT_SMALL = 24 }; /* from here on sorting is as fast */

/* The numbers at places first..first+count-1, which agree in all bits from `bits` on. */
static void select_in(uint64_t *ids, size_t first, size_t count, const uint32_t *ranks,
                      size_t rank_count, unsigned bits)
{
    while (rank_count > 0 && bits > 0) {
        size_t zeros, left = 0;

        if (count <= SELECT_SMALL) {
            ids_sort(ids + first, count);
            return;
        }
        zeros = partition(ids + first, count, --bits);
        while (left < rank_count && ranks[left] < first + zeros)
            left++;
        select_in(ids, first, zeros, ranks, left, bits); /* 64 deep at most */
        first += zeros;
        count -= zeros;
        ranks += left;
        rank_count -= left;
    }
}

void ids_select(uint64_t *ids, size_t count, const uint32_t *ranks, size_t rank_count)
{
    CHECK(rank_count == 0 || ranks[rank_count - 1] < count);
    select_in(ids, 0, count, ranks, rank_count, 64);
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
