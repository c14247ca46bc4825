/* From a folder with packages.txt and packages.<arch>.lock to packages in the cache. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "image/lock.h"
#include "sys/progress.h"

struct supply {
    struct lock lock;
    struct digest digest; /* of the lock's text */
    bool unlocked;        /* renewed on the way: the committed lock's versions are gone */
};

#define SUPPLY_INIT                                                                                \
    {                                                                                              \
        .lock = LOCK_INIT                                                                          \
    }

void supply_done(struct supply *supply);

struct supply_request {
    const char *folder; /* holds packages.txt and the lock */
    const char *kernel; /* "none" or "debian" */
    bool offline;
    bool renew; /* a lock whose versions left the mirror may be renewed (never in production) */
};

/* Reads list and lock and checks that they belong together (CODE_LOCK_STALE). Fetches nothing. */
MUST_USE int supply_open(const struct supply_request *request, struct supply *ret,
                         struct failure *f);

/* Fills the pool with the packages of an opened supply. When versions are gone and the request
 * allows to renew, the supply afterwards holds another lock (with another digest) and is
 * `unlocked`; offline that is only a lock that was renewed before and whose packages are all in the
 * cache. Without the allowance it is CODE_UNLOCKED. On failure the supply is what it was. */
MUST_USE int supply_fill(const struct supply_request *request, struct progress *progress,
                         struct supply *supply, struct failure *f);

/* `broch lock`: resolves the folder's list anew and replaces its lock. Outputs are set on success.
 */
MUST_USE int supply_lock(const char *folder, const char *kernel, struct lock *ret,
                         struct failure *f);
