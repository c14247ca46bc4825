/* The parts of confine.c, one file each. Internal to it and to the tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/failure.h"
#include "work/manifest.h"

enum { CONFINE_GROUPS_MAX = 64, CONFINE_PATH_SIZE = 256 };

/* One start. */
struct confine {
    const struct service_manifest *manifest;
    bool strict;
    uid_t uid;
    gid_t gid;
    gid_t groups[CONFINE_GROUPS_MAX]; /* supplementary ones, `gid` among them */
    int group_count;
    char scratch[CONFINE_PATH_SIZE]; /* "" without one */
};

/* Every part returns 0, or a negative errno with the failure (CODE_CONFINE). */
typedef int (*confine_part)(struct confine *c, struct failure *f);

/* confine_account.c: who the service is. */
MUST_USE int confine_account(struct confine *c, struct failure *f);
MUST_USE int confine_become(struct confine *c, struct failure *f);
MUST_USE int confine_no_new_privileges(struct confine *c, struct failure *f);

/* confine_cgroup.c: its share of the machine. */
MUST_USE int confine_end_leftovers(struct confine *c, struct failure *f);
MUST_USE int confine_join_cgroup(struct confine *c, struct failure *f);
MUST_USE int confine_set_limits(struct confine *c, struct failure *f);

/* confine_ready.c: how others learn that it serves. */
MUST_USE int confine_prepare_ready(struct confine *c, struct failure *f);
MUST_USE int confine_finish_ready(struct confine *c, struct failure *f);

/* confine_root.c: what it sees. */
MUST_USE int confine_make_scratch(struct confine *c, struct failure *f);
MUST_USE int confine_leave_namespaces(struct confine *c, struct failure *f);
MUST_USE int confine_raise_loopback(struct confine *c, struct failure *f);
MUST_USE int confine_enter_root(struct confine *c, struct failure *f);

/* confine_profile.c: what the kernel's AppArmor lets it do, from the execution on. */
MUST_USE int confine_set_profile(struct confine *c, struct failure *f);

/* confine_filter.c: which calls of the kernel it may make. */
MUST_USE int confine_set_filter(struct confine *c, struct failure *f);
