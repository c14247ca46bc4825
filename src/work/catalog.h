/* All services that this machine is to run: what the image enables, in its order, and what the
 * machine's own folder adds. The image was checked when it was built; the machine's own manifests
 * are judged here, one by one, and a bad one is left out with a reason: the others still run. */
#pragma once

#include "base/failure.h"
#include "work/graph.h"
#include "work/manifest.h"

/* Names of the image's services, one a line, each after what it needs; written by the factory. */
#define CATALOG_LIST "/usr/lib/broch/services.list"

enum { CATALOG_LIST_SIZE_MAX = 8192 };

struct catalog_places {
    struct service_folders folders;
    const char *list;
};

struct catalog {
    struct service_manifest manifests[SERVICES_MAX]; /* the image's first, then by name */
    size_t count;
    struct service_graph graph; /* of the same indexes */
};

/* Called for each manifest that is left out, with its name. */
typedef void (*catalog_complaint)(const char *name, const struct failure *f, void *context);

/* Returns 0 and the caller releases *ret with catalog_done(). Fails only when the image's own
 * services cannot be had at all; *ret is then empty. */
MUST_USE int catalog_load(const struct catalog_places *places, catalog_complaint complain,
                          void *context, struct catalog *ret, struct failure *f);

/* Accepts a zeroed structure and leaves one. */
void catalog_done(struct catalog *catalog);

/* The index of a service, or SERVICES_MAX. */
size_t catalog_find(const struct catalog *catalog, const char *name);
