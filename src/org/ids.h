/* Sorting and finding short ids, without libc's qsort(), which may allocate. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sorts in rising order, in place and in O(n log n) whatever the numbers are. */
void ids_sort(uint64_t *ids, size_t count);

/* Moves numbers so that each of the places ranks[0..rank_count), which rise and are below `count`,
 * holds what it would hold if all were sorted. In place; O(64 n) whatever the numbers are, and
 * O(n log(rank_count)) for numbers that look random. */
void ids_select(uint64_t *ids, size_t count, const uint32_t *ranks, size_t rank_count);

/* The place of the first of the sorted numbers that is not below `id`; `count` when all are. */
size_t ids_place(const uint64_t *ids, size_t count, uint64_t id);

static inline bool ids_contain(const uint64_t *ids, size_t count, uint64_t id)
{
    size_t place = ids_place(ids, count, id);

    return place < count && ids[place] == id;
}
