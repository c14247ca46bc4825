/* The hash tree of a system image, computed again (Linux: admin-guide/device-mapper/verity.rst;
 * the form is that of boot/superblock.h). Pure. */
#pragma once

#include <stdint.h>

#include "base/failure.h"
#include "boot/superblock.h"
#include "base/span.h"

/* Whether each block of the image fits its tree, the tree the root hash, and nothing follows.
 * CODE_ARTIFACT_BAD names the first block that does not. */
MUST_USE int verity_tree_check(struct span image, const struct superblock *s,
                               const uint8_t root[static CMDLINE_HASH_SIZE], struct failure *f);
