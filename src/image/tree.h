/* The tools tree: one pinned Debian tree that holds the compiler, every tool that touches an
 * artifact, and the virtual machine, so that the host's distribution does not matter
 * (tools/packages.txt). */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "trust/digest.h"
#include "sys/progress.h"

struct tree {
    char *path;           /* absolute; owned */
    struct digest digest; /* of the lock it was made from: its identity */
    bool unlocked;        /* the committed lock's versions are gone; it was made from a fresh one */
};

struct tree_request {
    const char *source; /* Broch's source folder */
    bool offline;
    bool renew; /* as in struct supply_request */
};

#define TREE_INIT                                                                                  \
    {                                                                                              \
        .path = NULL                                                                               \
    }

void tree_done(struct tree *tree);

/* Finds the tree of <source>/tools in the cache, or makes it (about a minute). Errors as
 * supply_open() and supply_fill(), and CODE_USER_NAMESPACE. */
MUST_USE int tree_ensure(const struct tree_request *request, struct progress *progress,
                         struct tree *ret, struct failure *f);
