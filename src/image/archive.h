/* Where packages come from: the base addresses of Debian's two archives.
 *
 * BROCH_SNAPSHOT (a dated archive) wins over BROCH_MIRROR, which wins over what the host's own apt
 * uses, which wins over the builder's own default. A "{archive}" in either variable becomes
 * "debian" or "debian-security"; without it one address serves as the main archive and the security
 * archive comes from the next source in line. */
#pragma once

#include "base/failure.h"
#include "image/lock.h"

struct archives {
    char *base[2]; /* by enum lock_archive; without a slash at the end; owned */
};

#define ARCHIVES_INIT                                                                              \
    {                                                                                              \
        .base = { NULL, NULL }                                                                     \
    }

void archives_done(struct archives *archives);
#define _cleanup_archives_ __attribute__((cleanup(archives_done)))

/* Finds both addresses. CODE_DOWNLOAD when none is known. */
MUST_USE int archives_find(struct archives *ret, struct failure *f);
