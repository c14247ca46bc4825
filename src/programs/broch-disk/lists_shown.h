/* What `broch secureboot status` shows, and its words: a table for people, one JSON object for
 * programs. Pure; names of certificates come printable. */
#pragma once

#include "base/text.h"
#include "programs/broch-disk/plan.h"

struct lists_shown {
    const char *secure_boot; /* "on", "off" or "unknown", as stage 1 found it */
    const struct plan_machine *machine;
};

/* Both append. CODE_SECUREBOOT_FILE names the variable that is malformed; what was appended until
 * then is of no use. */
MUST_USE int lists_shown_add_table(const struct lists_shown *s, struct text *t, struct failure *f);
MUST_USE int lists_shown_add_json(const struct lists_shown *s, struct text *t, struct failure *f);
