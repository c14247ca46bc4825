/* Whether a list of components is the one of a generation: every file of the system image, of the
 * initrd and of the boot file stands in it exactly once, in one component, with its sum, and
 * nothing else does. */
#pragma once

#include "base/failure.h"
#include "image/artifact.h"

/* Both forms: SPDX or CycloneDX, as sbom.h writes them. CODE_ARTIFACT_BAD names the first file that
 * is missing, changed, unknown or in two components. */
MUST_USE int sbom_check(struct span document, const struct artifact_pair *pair, struct failure *f);
