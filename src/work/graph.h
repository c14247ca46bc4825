/* Which service starts after which: the edges that manifests tell from both sides, put together.
 *
 * Services are known by their index in the caller's array, which is the order in which they were
 * enabled: it breaks every tie, so that the same manifests give the same order everywhere. Pure,
 * allocates nothing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "work/manifest.h"

struct service_graph {
    size_t count;
    uint64_t needs[SERVICES_MAX]; /* bit j of needs[i]: j is ready before i starts */
    uint8_t order[SERVICES_MAX];  /* indexes, each after all that it needs */
    uint8_t level[SERVICES_MAX];  /* 0 needs nothing; else one more than the highest it needs */
};

/* Builds the graph of manifests[0..count), whose names differ; count is at most SERVICES_MAX.
 * Returns 0. Otherwise *ret is untouched and *f says
 *   -ENOENT, CODE_SERVICE_NEEDS: which manifest needs what is not there, and the nearest name;
 *   -EDEADLK, CODE_SERVICE_CYCLE: the shortest cycle, whole: "a -> b -> a" (a needs b needs a).
 * A name in `before` that is not there is left alone: order among services that do not run is no
 * demand. */
MUST_USE int service_graph_make(const struct service_manifest *manifests, size_t count,
                                struct service_graph *ret, struct failure *f);
