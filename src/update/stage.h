/* Releases on their way: /var/lib/broch/update/<generation>/ holds the files of one release until
 * they are in a slot. A file that did not come to its end is "<name>.partial", and its length is
 * how far it came: fetching goes on there, at any byte, also after a power cut. Only a file whose
 * sum is the one of the signed manifest gets its name; slot_write() sums it once more. */
#pragma once

#include "base/failure.h"
#include "sys/progress.h"
#include "trust/manifest.h"
#include "update/source.h"

#define STAGE_ROOT "/var/lib/broch/update"

struct stage {
    char *folder;     /* owned */
    unsigned wait_ms; /* before another try; tests have none */
};

#define STAGE_INIT                                                                                 \
    {                                                                                              \
        .folder = NULL, .wait_ms = 1000                                                            \
    }

void stage_done(struct stage *stage);

/* Makes the folder of a generation below `root` and removes those of others. */
MUST_USE int stage_open(const char *root, const char *generation, struct stage *ret,
                        struct failure *f);

/* How many bytes of a member are there already. */
uint64_t stage_have(const struct stage *stage, enum archive_member member);

/* Fetches what is missing of a member. A network that fails is tried again, as long as it still
 * gives something now and then; a wrong sum throws the file away and starts anew, once.
 * CODE_UPDATE_DOWNLOAD, CODE_UPDATE_HASH, CODE_NO_SPACE. */
MUST_USE int stage_fetch(const struct stage *stage, const struct source *source,
                         enum archive_member member, const struct manifest_file *file,
                         struct progress *progress, struct failure *f);

/* The path of a fetched member, freed by the caller; NULL when out of memory. */
MUST_USE char *stage_path(const struct stage *stage, enum archive_member member);

/* Removes the folder: its files are in a slot. */
MUST_USE int stage_remove(const struct stage *stage, struct failure *f);
