/* The tools tree: one pinned Debian tree that holds the compiler, every tool that touches an
 * artifact, and the virtual machine, so that the host's distribution does not matter
 * (tools/packages.txt). */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "image/lock.h"
#include "trust/digest.h"
#include "sys/progress.h"

struct tree {
    char *path;           /* absolute; owned */
    struct digest digest; /* of the lock it was made from: its identity */
    struct lock lock;     /* that lock; owned */
    bool unlocked;        /* the committed lock's versions are gone; it was made from a fresh one */
};

/* The folders with a list and a lock of a tree. */
#define TREE_TOOLS  "tools"  /* for every build */
#define TREE_KERNEL "kernel" /* the kernel's source and what compiles it */

struct tree_request {
    const char *source; /* Broch's source folder */
    const char *name;   /* TREE_TOOLS, TREE_KERNEL */
    bool offline;
    bool renew; /* as in struct supply_request */
};

#define TREE_INIT                                                                                  \
    {                                                                                              \
        .path = NULL, .lock = LOCK_INIT                                                            \
    }

void tree_done(struct tree *tree);

/* Says which tree the committed lock of <source>/<name> asks for; it may not be there yet. Errors
 * as supply_open(). */
MUST_USE int tree_find(const struct tree_request *request, struct tree *ret, struct failure *f);

/* Finds the tree of <source>/<name> in the cache, or makes it (about a minute). Errors as
 * supply_open() and supply_fill(), and CODE_USER_NAMESPACE. */
MUST_USE int tree_ensure(const struct tree_request *request, struct progress *progress,
                         struct tree *ret, struct failure *f);
