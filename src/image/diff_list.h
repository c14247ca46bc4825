/* A list of names with a value each, sorted by name: one side of a comparison. */
#pragma once

#include <stddef.h>

#include "base/check.h"
#include "trust/digest.h"

struct diff_entry {
    char *name, *value;         /* owned */
    char sum[DIGEST_TEXT_SIZE]; /* decides where values are equal; empty without one */
};

struct diff_list {
    struct diff_entry *entries; /* owned */
    size_t count;
};

#define DIFF_LIST_INIT                                                                             \
    {                                                                                              \
        .entries = NULL                                                                            \
    }

void diff_list_done(struct diff_list *l);
#define _cleanup_diff_list_ __attribute__((cleanup(diff_list_done)))

/* Copies all. -ENOMEM. */
MUST_USE int diff_list_add(struct diff_list *l, const char *name, size_t name_length,
                           const char *value, size_t value_length, const struct digest *sum);

/* By name, then by value. A name that stands there more than once (a word of the command line)
 * becomes one entry with all its values, parted by spaces; equal ones once. */
void diff_list_sort(struct diff_list *l);
