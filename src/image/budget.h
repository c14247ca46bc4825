/* Sizes that a profile's artifacts must not exceed; and when one does, what takes the room. */
#pragma once

#include "image/build.h"
#include "image/profile.h"

/* Compares every artifact of a build whose steps are done with the profile's budgets. CODE_BUDGET
 * for the first that is over; before that a table goes to the progress, the largest first:
 * components for an image or initrd, sections for a boot file. */
MUST_USE int budget_check(const struct build *build, struct failure *f);
