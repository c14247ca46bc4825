/* What a signed change of Secure Boot's keys would do to this machine: which variable it is for,
 * what that holds afterwards, and that both boot files still start. Opens nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "trust/boot_signature.h"
#include "trust/key_change.h"

/* One variable's content; size 0: there is none. */
struct plan_lists {
    uint8_t *bytes;
    size_t size;
};

/* The machine as it is. `spare` is NULL where the other slot holds none. */
struct plan_machine {
    struct plan_lists variables[KEY_VARIABLE_MAX_];
    const struct boot_signature *running, *spare;
    bool secure_boot; /* the firmware has let `running` start by these lists */
    const void *log;  /* what it measured (disk/event_log.h); NULL: there is no TPM */
    size_t log_size;
};

struct plan {
    struct key_target target;
    struct plan_lists after; /* of the target's variable; owned */
    bool nothing;            /* it holds all of that already; `after` is empty */
};

void plan_done(struct plan *plan);

/* CODE_SECUREBOOT_UNJUDGED when a change has an entry of a kind that is not known here. */
MUST_USE int plan_check_kinds(const struct key_change *change, struct failure *f);

/* CODE_SECUREBOOT_FILE: the file is no change, or some of what it adds is there already;
 * CODE_SECUREBOOT_SIGNER; CODE_SECUREBOOT_REVOKES when a boot file that starts now would not start
 * then, or would be allowed by another entry of db, which PCR 7 tells apart, or when anything else
 * that the firmware started this time would not be allowed. CODE_SECUREBOOT_UNJUDGED when what the
 * firmware does is not what is computed here: it started the running boot file, which these lists
 * do not allow; it has lists that are malformed; or the change has entries of a kind that is not
 * known here. */
MUST_USE int plan_make(const struct plan_machine *machine, const void *file, size_t size,
                       struct plan *ret, struct failure *f);
