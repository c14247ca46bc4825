/* Makes a signed change of Secure Boot's keys (trust/key_change.h) that machines set up with these
 * keys take: what is added is signed by KEK for db and dbx, by PK for KEK. */
#pragma once

#include "base/failure.h"
#include "image/keys.h"
#include "trust/key_change.h"

/* What is added to a variable. */
struct key_addition {
    enum key_variable variable; /* not PK: there is one of it */
    const char *what; /* a certificate (PEM), a boot file, or 64 hexadecimal digits of one */
    uint64_t now;     /* Unix seconds: the time that stands in the change */
};

/* *ret is allocated. A boot file is added by its hash. Hashes go to db and dbx only: CODE_USAGE.
 * CODE_SECUREBOOT_FILE: `what` is none of the three. */
MUST_USE int key_change_make(const struct keys *keys, const struct key_addition *addition,
                             uint8_t **ret, size_t *ret_size, struct failure *f);
