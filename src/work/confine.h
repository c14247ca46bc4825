/* Becoming a service: what happens between s6's start of /usr/lib/broch/confine NAME and the first
 * instruction of the service's own program.
 *
 * Everything is fail-closed. A part that cannot be set up ends the start with CODE_CONFINE and the
 * name of the part; no service ever runs with less confinement than its manifest says. */
#pragma once

#include "base/failure.h"
#include "work/manifest.h"

/* Where s6's run scripts hand over the descriptor for readiness. */
#define CONFINE_NOTIFY_FD 3

#define CONFINE_CGROUP_FOLDER "/sys/fs/cgroup/broch"

/* Makes this process the service: control group, scratch, readiness, and what the level of the
 * manifest asks for; then executes `run`. Needs root. Returns only on failure. */
MUST_USE int confine_run(const struct service_manifest *manifest, struct failure *f);
