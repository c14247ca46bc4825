/* The last step: artifacts of the other steps, under their names in out/, with manifest, signature
 * and sums. */
#pragma once

#include "base/failure.h"
#include "image/build.h"

/* Fills <out>/broch-<generation>/. Artifacts are hard links into the cache, read-only, so that they
 * cost no room and no time; where out/ is another filesystem they are copies. The manifest is
 * signed and written last: a folder without it is no generation. *ret_folder is freed by the
 * caller. */
MUST_USE int publish(struct build *build, char **ret_folder, struct failure *f);
