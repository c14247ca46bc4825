/* The clock is never before the image was made: a machine whose clock chip lost its battery starts
 * in 2000 or 1970, and every certificate would look as if it were of the future. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

/* The floor: BROCH_BUILD_DATE of os-release text, in seconds since 1970. Returns 0, or -EBADMSG
 * with the failure (CODE_CLOCK). Pure. */
MUST_USE int clock_floor_parse(const char *text, size_t size, uint64_t *ret_s, struct failure *f);

/* Reads the floor from the image at `path` and sets the clock to it when it is earlier. */
MUST_USE int clock_floor_raise(const char *path, bool *ret_raised, struct failure *f);
