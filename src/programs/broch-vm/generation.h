/* Where a built generation lies on a developer's host, and what of it a machine needs. */
#pragma once

#include "base/failure.h"

struct generation {
    char *folder; /* absolute; owned, like all below */
    char *name;   /* "v0.1.0-node-x86_64" */
    char *disk;   /* disk.qcow2 */
    char *live;   /* the live medium beside the folder, which need not be there */
    char *system; /* system.erofs */
    char *kernel;
    char *initrd;
    char *cmdline; /* text: the signed command line */
    char *keys;    /* folder of the public certificates */
};

#define GENERATION_INIT                                                                            \
    {                                                                                              \
        .folder = NULL                                                                             \
    }

void generation_done(struct generation *generation);

/* Opens `out` itself when it holds a generation.json, else the newest broch-*-PROFILE-* folder in
 * it that does (by the time of that file). CODE_VM_GENERATION when there is none, CODE_MANIFEST
 * when it is damaged. Signatures are not checked: the machine's firmware does that. */
MUST_USE int generation_find(const char *out, const char *profile, struct generation *ret,
                             struct failure *f);
