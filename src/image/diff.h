/* What differs between two generations: packages, files with their sizes, words of the command
 * line. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/artifact.h"

enum diff_sort { DIFF_KERNEL, DIFF_OPTION, DIFF_PACKAGE, DIFF_FILE, DIFF_SORT_MAX_ };

/* One difference. What is only in one of both has nothing of the other. */
struct diff_item {
    enum diff_sort sort;
    char *name;           /* owned */
    char *before, *after; /* versions, or sizes as digits; NULL: not there. Owned */
};

struct diff {
    struct diff_item *items; /* owned; by sort, then by name */
    size_t count;
    bool packages;                    /* both have a list of components */
    uint64_t size_before, size_after; /* of all files */
};

#define DIFF_INIT                                                                                  \
    {                                                                                              \
        .items = NULL                                                                              \
    }

void diff_done(struct diff *diff);
#define _cleanup_diff_ __attribute__((cleanup(diff_done)))

/* Both are of any kind that has a boot file or a system image; of a disk the first slot that holds
 * a generation counts. CODE_ARTIFACT_BAD, CODE_USAGE when they have nothing in common. */
MUST_USE int diff_make(struct artifact *before, struct artifact *after, struct diff *ret,
                       struct failure *f);

void diff_add_table(const struct diff *diff, struct text *t);
void diff_add_json(const struct diff *diff, struct text *t);
