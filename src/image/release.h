/* Offering generations to machines: a folder of releases that any web server can serve, or a stick
 * carry (docs/reference/release.md).
 *
 *     latest                     index, see trust/latest.h
 *     broch-<generation>/        generation.json, its signature, linux.efi, system.erofs
 *     broch-<generation>.broch   the same four in one file, see update/archive.h */
#pragma once

#include "base/failure.h"
#include "trust/manifest.h"

/* Enters a generation into the index of `folder`, unless a newer one of its kind stands there and
 * is still in the folder. Callers keep each other off. A damaged index is written anew. */
MUST_USE int release_enter(const char *folder, const struct manifest *manifest, struct failure *f);

/* Puts the generation in the folder `generation` into the folder of releases `target` (made when
 * missing), which may be the one it lies in. Its signature by the release.pub beside it and the
 * sums of both files are checked on the way: CODE_SIGNATURE, CODE_MANIFEST. The same generation
 * gives the same bytes. *ret_file is the path of the .broch file, freed by the caller. */
MUST_USE int release_make(const char *generation, const char *target, char **ret_file,
                          struct failure *f);
