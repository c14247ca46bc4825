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

/* The machine as it is. Boot files are NULL where there is none. */
struct plan_machine {
    struct plan_lists variables[KEY_VARIABLE_MAX_];
    const struct boot_signature *running, *spare;
};

struct plan {
    struct key_target target;
    struct plan_lists after; /* of the target's variable; owned */
    bool nothing;            /* it holds all of that already; `after` is empty */
};

void plan_done(struct plan *plan);

/* CODE_SECUREBOOT_FILE: the file is no change, or some of what it adds is there already;
 * CODE_SECUREBOOT_SIGNER; CODE_SECUREBOOT_REVOKES when a boot file that starts now would not start
 * then, or would be allowed by another entry of db, which PCR 7 tells apart. */
MUST_USE int plan_make(const struct plan_machine *machine, const void *file, size_t size,
                       struct plan *ret, struct failure *f);
