#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

enum { NAME_LENGTH_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

size_t nearest_distance(const char *a, const char *b)
{
    /* Three rows of the usual table: the one being filled and the two before it. */
    size_t rows[3][NAME_LENGTH_MAX + 1];
    size_t length_a = strlen(a), length_b = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    if (length_a > NAME_LENGTH_MAX || length_b > NAME_LENGTH_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= length_b; j++)
        before[j] = above[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[length_b];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    size_t limit = strlen(word) / 3 > 1 ? strlen(word) / 3 : 1;
    size_t best_distance = SIZE_MAX;
    const char *best = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance = nearest_distance(word, names[i]);

        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best_distance <= limit ? best : NULL;
}
