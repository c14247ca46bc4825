/* The file tree that a strict service sees, as a list: what is put where, in this order, into an
 * empty root. What is not in the list does not exist for the service: homes, other services'
 * folders, secrets, devices. Pure; confine_root.c carries it out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "work/confine_part.h"

enum confine_place_kind {
    CONFINE_FOLDER,    /* an empty folder */
    CONFINE_LINK,      /* a symbolic link to `source` */
    CONFINE_COPY_LINK, /* the machine's link at the same path, when there is one */
    CONFINE_BIND,      /* the machine's file or folder `source` */
    CONFINE_SEAL,      /* what the new root has there, made read-only */
    CONFINE_MEMORY,    /* a filesystem of its own in memory, with `options` */
    CONFINE_PROC,
    CONFINE_SYS,
};

struct confine_place {
    enum confine_place_kind kind;
    const char *path;    /* in the new root, absolute */
    const char *source;  /* NULL: the same as `path` */
    uint64_t attributes; /* MOUNT_ATTR_* */
    const char *options;
    mode_t mode;      /* of a folder */
    bool optional;    /* left out when the source does not exist */
    bool whole;       /* with the mounts below the source */
    bool make_source; /* a missing folder is made, for the service's user */
};

enum { CONFINE_PLACES_MAX = 96 };

struct confine_plan {
    struct confine_place places[CONFINE_PLACES_MAX]; /* borrow from the manifest and `c` */
    size_t count;
};

/* Returns 0, or -ERANGE with the failure when the manifest has too many paths. */
MUST_USE int confine_plan_make(const struct confine *c, struct confine_plan *ret,
                               struct failure *f);
