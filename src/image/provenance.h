/* How a generation came to be: an in-toto statement (v1) with SLSA's provenance (v1), as JSON
 * (docs/reference/provenance.md). It has no times and no host names: the same inputs give the same
 * bytes. */
#pragma once

#include "image/build.h"

/* Names the sources as inputs of the step. */
MUST_USE int provenance_add_inputs(const struct build *build, struct step *step, struct failure *f);

/* Appends the document; all steps but "sbom" must be done. */
MUST_USE int provenance_add_json(const struct build *build, struct text *t, struct failure *f);
