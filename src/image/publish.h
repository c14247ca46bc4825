/* The last step: artifacts of the other steps, under their names in out/, with manifest, signature
 * and sums. */
#pragma once

#include "base/failure.h"
#include "image/build.h"
#include "base/span.h"
#include "trust/manifest.h"

/* Fills <out>/broch-<generation>/. Artifacts are hard links into the cache, read-only, so that they
 * cost no room and no time; where out/ is another filesystem they are copies. The manifest is
 * signed and written last: a folder without it is no generation. *ret_folder is freed by the
 * caller. */
MUST_USE int publish(struct build *build, char **ret_folder, struct failure *f);

/* Puts the live medium beside the generation's folder, as <folder>.iso. Freed by the caller. */
MUST_USE int publish_live(struct build *build, const char *folder, char **ret, struct failure *f);

/* Appends what SHA256SUMS has to be: files of the manifest, the manifest and its signature. */
void publish_format_sums(const struct manifest *m, struct span manifest_text, struct span signature,
                         struct text *ret);
