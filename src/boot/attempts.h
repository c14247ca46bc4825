/* How often a boot may fail: the policy, without its I/O. Pure.
 *
 * A counter in an EFI variable is raised at each start of stage 1 and cleared by `broch ready`. One
 * failure means one reboot; a second one in a row, or a third start without a verdict, halts. A
 * halt clears the counter: whoever comes and switches the machine off and on gets a fresh try.
 *
 * (When slots fall back to each other, the first failure will name the other slot here.) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum { ATTEMPTS_MAX = 2 };

struct attempts {
    bool known;       /* there is a variable store that took the new count */
    unsigned current; /* including this start */
};

/* What to do with the count that was found (0 when there is none): true and *ret_next, what to
 * write before anything else is tried; false when there were enough. */
MUST_USE bool attempts_start(unsigned found, unsigned *ret_next);

enum attempts_ending { ATTEMPTS_REBOOT, ATTEMPTS_HALT };

/* How a failed boot ends. Without a counter a reboot could go on for ever, so it halts. */
enum attempts_ending attempts_after_failure(const struct attempts *a);
