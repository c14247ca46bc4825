/* The actions of `broch disk`, `broch recovery` and `broch secureboot`. Each returns 0,
 * EXIT_CODE_REBOOT_NEEDED when stage 1 does the rest at the next start, or a negative errno with
 * the failure. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"

struct action_options {
    bool json, yes, dry_run, without_spare;
    const char *operand; /* of an action that has one */
};

MUST_USE int action_status(const struct action_options *options, struct failure *f);
MUST_USE int action_enroll(const struct action_options *options, struct failure *f);
MUST_USE int action_wipe(const struct action_options *options, struct failure *f);
MUST_USE int action_cancel(const struct action_options *options, struct failure *f);
MUST_USE int action_recovery_new(const struct action_options *options, struct failure *f);
MUST_USE int action_recovery_verify(const struct action_options *options, struct failure *f);
MUST_USE int action_secureboot_status(const struct action_options *options, struct failure *f);

/* Also EXIT_CODE_NOTHING_TO_DO. */
MUST_USE int action_secureboot_apply(const struct action_options *options, struct failure *f);
