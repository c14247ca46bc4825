/* The profile's and the machine's own checks: programs that say whether a generation is good here.
 */
#pragma once

#include <stdint.h>

#include "base/failure.h"

/* Runs all programs of both folders, in the order of their names, until `deadline_ns` (monotonic).
 * A program that ends with another status than 0, or not in time, is CODE_UPDATE_CHECK. */
MUST_USE int checks_run(uint64_t deadline_ns, struct failure *f);
