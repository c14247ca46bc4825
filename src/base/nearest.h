/* The nearest known name, for "unknown key 'kernal', did you mean 'kernel'?". */
#pragma once

#include <stddef.h>

/* Edit distance (Damerau-Levenshtein, restricted: insert, delete, replace, swap of neighbours);
 * names longer than 64 characters are infinitely far. */
size_t nearest_distance(const char *a, const char *b);

/* The name in names[0..count) nearest to `word`, or NULL when none is near enough to be a typo (at
 * most a third of the word's length, at least one edit). Borrowed from `names`. */
const char *nearest_name(const char *word, const char *const *names, size_t count);
