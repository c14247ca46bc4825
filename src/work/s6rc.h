/* The set of services in the source format of s6-rc, for machines that use it in the place of the
 * orchestrator and for people who know it.
 *
 * The format is https://skarnet.org/software/s6-rc/s6-rc-compile.html, and what follows from it:
 *   - One folder per service, with `type`. Names must not begin with "s6rc-" or "s6-rc-".
 *   - A daemon is a longrun. A definition has no log/ (it would be ignored): the logger is a
 *     longrun of its own, NAME-log, tied by producer-for and consumer-for, and the two are the
 *     bundle NAME-pipeline by pipeline-name. There is no `down` either: s6-rc makes it.
 *   - A service of kind "once" is a oneshot whose `up` is one command line. s6-rc collects what
 *     oneshots say in its own log.
 *   - dependencies.d names direct dependencies; the graph gives them, `before` and "*" included.
 *   - timeout-up and timeout-down are milliseconds in which a start and a stop must end.
 *   - The bundle `default` is everything that runs.
 *
 * s6-rc knows no conditions, back-off or burst: services that are off when the set is written are
 * defined and not in `default`, and a restart policy is what a finish script can tell s6. */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "work/files.h"
#include "work/graph.h"
#include "work/manifest.h"

struct s6rc_set {
    const struct service_manifest *manifests; /* graph->count of them */
    const struct service_graph *graph;
    uint64_t off; /* bit i: manifests[i] does not run, and nothing waits for it */
};

/* Adds the files of the whole set. Pure. -EEXIST (CODE_SCHEMA) when two services would have one
 * name there: "x" with its logger "x-log", and a service "x-log". */
MUST_USE int s6rc_render(const struct s6rc_set *set, struct work_files *ret_files,
                         struct failure *f);

/* Makes the folder, which must not be there or be empty. Errors of work_files_create() too. */
MUST_USE int s6rc_write(const struct s6rc_set *set, const char *folder, struct failure *f);
