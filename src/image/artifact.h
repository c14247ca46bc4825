/* Something that the factory made, opened to be looked at: what it is, and where its parts lie.
 *
 *     generation  a folder with generation.json; parts that are not there are missing from it
 *     release     one .broch file (update/archive.h)
 *     uki         a boot file
 *     disk        a disk image, or a disk: up to two slots
 *     initrd      as it stands in a boot file
 *     system      a system image
 *     live        a live medium
 *
 * What it is, is decided by content, never by a name. Files are mapped, not read: one that somebody
 * cuts short meanwhile ends the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/span.h"
#include "trust/manifest.h"

enum artifact_kind {
    ARTIFACT_GENERATION,
    ARTIFACT_RELEASE,
    ARTIFACT_UKI,
    ARTIFACT_DISK,
    ARTIFACT_INITRD,
    ARTIFACT_SYSTEM,
    ARTIFACT_LIVE,
    ARTIFACT_KIND_MAX_
};

enum { ARTIFACT_SLOTS_MAX = 2, ARTIFACT_HOLDS_MAX = 64, ARTIFACT_PARTITIONS_MAX = 16 };

/* One boot file and its system image. */
struct artifact_pair {
    char slot; /* 'A', 'B'; 0 where there are no slots */
    struct span uki, system, initrd;
};

struct artifact_partition {
    char type[37], name[37];
    uint64_t offset, size; /* bytes */
};

struct artifact {
    enum artifact_kind kind;
    char *path;
    uint64_t size;     /* of the file; 0 for a folder */
    struct span whole; /* the file; empty for a folder */

    /* Of a generation, release or live medium; spans are empty where there is none. */
    struct span manifest_text, signature;
    struct manifest *manifest; /* what the text says, unverified; NULL when it is malformed */

    struct artifact_pair pairs[ARTIFACT_SLOTS_MAX];
    size_t pair_count;

    struct artifact_partition partitions[ARTIFACT_PARTITIONS_MAX]; /* of a disk */
    size_t partition_count;

    struct {
        void *bytes;
        size_t size; /* 0: on the heap */
    } holds[ARTIFACT_HOLDS_MAX];
    size_t hold_count;
};

#define ARTIFACT_INIT                                                                              \
    {                                                                                              \
        .path = NULL                                                                               \
    }

/* "generation", "disk", ... */
const char *artifact_kind_name(enum artifact_kind kind);

/* CODE_ARTIFACT_UNKNOWN for what is none of these, CODE_ARTIFACT_BAD for one that is malformed,
 * CODE_IO. To be released with artifact_done() in either case. */
MUST_USE int artifact_open(const char *path, struct artifact *ret, struct failure *f);
void artifact_done(struct artifact *a);
#define _cleanup_artifact_ __attribute__((cleanup(artifact_done)))

/* A file of the generation's folder, mapped until artifact_done(). -ENOENT when it is not there or
 * there is no folder. */
MUST_USE int artifact_file(struct artifact *a, const char *name, struct span *ret,
                           struct failure *f);
