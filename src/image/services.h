/* The services of a profile, checked while the image is made rather than on the machine: every
 * manifest of the overlay is read with the machine's own reader, what the profile enables is put in
 * order, and the programs and users that it names must be in the image. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "base/text.h"
#include "image/compose.h"
#include "image/profile.h"
#include "work/graph.h"
#include "work/manifest.h"

enum { SERVICE_PROGRAMS_MAX = 9 }; /* the service itself and its checks */

struct services {
    struct service_manifest manifests[SERVICES_MAX]; /* those enabled, in the profile's order */
    size_t count;
    struct service_graph graph;

    /* What was seen while the image was put together. */
    bool found[SERVICES_MAX][SERVICE_PROGRAMS_MAX];
    bool users_seen;
};

/* Accepts a zeroed structure. */
void services_done(struct services *services);

/* Reads <profile>/overlay/usr/lib/broch/services. CODE_SYNTAX, CODE_SCHEMA, CODE_SERVICE_TIER for a
 * manifest, enabled or not; CODE_SERVICE_UNKNOWN for one that is enabled and not there, or named in
 * `before` and not there; CODE_SERVICE_NEEDS and CODE_SERVICE_CYCLE. A profile without services has
 * none. */
MUST_USE int services_read(const struct profile *profile, struct services *ret, struct failure *f);

/* The list that the machine reads, /usr/lib/broch/services.list: one name per line, each after all
 * that it needs. */
void services_format_list(const struct services *services, struct text *ret);

/* Looks for the programs while `compose` writes; `services` is borrowed until then. */
MUST_USE int services_watch(struct services *services, struct compose *compose, struct failure *f);

/* A file of the user database, with the services' own users: appended to *ret. CODE_SERVICE_USER
 * when a user of a service is neither there nor to be made, or cannot be made. */
MUST_USE int services_add_users(struct services *services, const struct compose_file *file,
                                struct text *ret, struct failure *f);

/* After compose_write(): CODE_SERVICE_PROGRAM names the first program that was not there,
 * CODE_SERVICE_USER an image without users. */
MUST_USE int services_judge_image(const struct services *services, struct failure *f);
