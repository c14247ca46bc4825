/* The tools tree: one pinned Debian tree that holds the compiler, every tool that touches an
 * artifact, and the virtual machine, so that the host's distribution does not matter
 * (tools/packages.txt). */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "image/digest.h"
#include "image/progress.h"

struct tree {
    char *path;           /* absolute; owned */
    struct digest digest; /* of the lock it was made from: its identity */
};

#define TREE_INIT                                                                                  \
    {                                                                                              \
        .path = NULL                                                                               \
    }

void tree_done(struct tree *tree);

/* Finds the tree of <source>/tools in the cache, or makes it (about a minute). `offline` and errors
 * as pool_fill(); when `renew` is set and the lock's versions are gone, a fresh resolution is used
 * and *ret_unlocked says so. */
MUST_USE int tree_ensure(const char *source, bool offline, bool renew, struct progress *progress,
                         struct tree *ret, bool *ret_unlocked, struct failure *f);
