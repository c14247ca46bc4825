/* One build: profile in, signed generation out. build.c holds the order of the steps and what each
 * depends on; the steps themselves are in the files named after them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "image/keys.h"
#include "image/profile.h"
#include "sys/progress.h"
#include "image/services.h"
#include "image/step.h"
#include "image/supply.h"
#include "image/tree.h"

struct build_request {
    const char *source;  /* Broch's source folder */
    const char *profile; /* name */
    const char *kernel;  /* KERNEL_DEBIAN, KERNEL_BROCH; overrides the profile's choice, or NULL */
    const char *out;     /* folder that gets broch-<generation>/, or NULL: <source>/out */
    const char *keys;    /* folder, or NULL: the user's development keys */
    const char *version; /* "1.2.3": names the generation; NULL: what the file VERSION has */
    bool live;           /* a live medium as well, out/broch-<generation>.iso */
    uint64_t jobs;       /* of the compiler; 0: as many as processors */
    bool explain;
    bool offline;
    bool production;
};

struct build {
    const struct build_request *request;
    struct progress *progress;
    struct profile profile;
    struct services services;
    struct keys keys;
    struct tree tree;
    const char *kernel_kind; /* borrowed from request or profile */
    struct tree kernel_tree; /* of a kernel of our own; its path may be missing when it is cached */
    struct supply supply;
    struct step_shared shared;
    bool unlocked;
    char *version;    /* "v0.1.0" */
    char *generation; /* "v0.1.0-node-x86_64" */
    char *os_release; /* text of os-release, the same in image and UKI */

    /* Steps, in the order in which they run. */
    struct step programs;
    struct step kernel;
    struct step rootfs;
    struct step policy;
    struct step system;
    struct step drivers;
    struct step initrd;
    struct step uki;
    struct step disk;
    struct step sbom;
    struct step
        live; /* after publishing, because the signed manifest is on it; only if asked for */
};

/* Runs all steps and publishes the generation; *ret_folder is its path, and *ret_live that of its
 * live medium or NULL, both freed by the caller. */
MUST_USE int build_run(const struct build_request *request, struct progress *progress,
                       char **ret_folder, char **ret_live, struct failure *f);

/* Runs the steps up to one of the names in progress and leaves the result in the cache; prints
 * nothing. *ret_folder is the step's folder. CODE_USAGE for another name. */
MUST_USE int build_until(const struct build_request *request, const char *step,
                         struct progress *progress, char **ret_folder, struct failure *f);

/* Whether the kernel is compiled, not Debian's. */
MUST_USE bool build_kernel_is_own(const struct build *build);

/* The release that the kernel will have, before it is there; empty for a lock without one. Freed by
 * the caller. */
MUST_USE int kernel_release_expected(const struct build *build, char **ret, struct failure *f);

/* True when the step's result for this lock is in the cache, so that it needs no package. */
MUST_USE bool build_kernel_cached(struct build *build);
MUST_USE bool build_rootfs_cached(struct build *build);

/* The single steps: each fills its inputs from the build and calls step_do(). */
MUST_USE int build_programs(struct build *build, struct failure *f);
MUST_USE int build_kernel(struct build *build, struct failure *f);
MUST_USE int build_rootfs(struct build *build, struct failure *f);
MUST_USE int build_policy(struct build *build, struct failure *f);
MUST_USE int build_system(struct build *build, struct failure *f);
MUST_USE int build_drivers(struct build *build, struct failure *f);
MUST_USE int build_initrd(struct build *build, struct failure *f);
MUST_USE int build_uki(struct build *build, struct failure *f);
MUST_USE int build_disk(struct build *build, struct failure *f);
MUST_USE int build_sbom(struct build *build, struct failure *f);

/* The live medium of the generation in this folder. */
MUST_USE int build_live(struct build *build, const char *generation, struct failure *f);

/* What the steps share. The release of the kernel ("6.12.1+deb13-amd64"); freed by the caller. */
MUST_USE int kernel_release(const struct build *build, char **ret, struct failure *f);

/* Writes an archive of the initrd, packed, as `name` into the step's folder. */
struct cpio;
MUST_USE int initrd_pack(const struct build *build, const char *step, const char *folder,
                         struct cpio *cpio, const char *name, struct failure *f);
