/* The control groups of the machine: the supervisor and all of ours stay in the root group, each
 * service gets a group of its own under "broch" (src/work/confine_cgroup.c). */
#pragma once

#include "base/failure.h"

/* Makes CGROUP_ROOT/broch with the controllers that limit services, and protects this process, and
 * with it all that do not say otherwise, from being killed for memory. Returns 0 or a negative
 * errno with the failure (CODE_CGROUP): without it no service starts. */
MUST_USE int cgroup_set_up(const char *root, struct failure *f);

#define CGROUP_ROOT "/sys/fs/cgroup"
