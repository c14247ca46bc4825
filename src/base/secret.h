/* A secret of a fixed size: keys, passphrases, authorization values. It lives in its owner's
 * memory, never on the heap, and is wiped when it leaves its scope:
 *
 *     _cleanup_secret_ struct secret key = SECRET_INIT;
 *
 * Copies by assignment are a defect: nobody would wipe them. Never printed, never logged. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { SECRET_SIZE_MAX = 128 };

struct secret {
    size_t size; /* 0: there is none */
    uint8_t bytes[SECRET_SIZE_MAX];
};

#define SECRET_INIT                                                                                \
    {                                                                                              \
        .size = 0                                                                                  \
    }

/* Overwrites all bytes, whatever `size` says; the object may be used again. */
void secret_wipe(struct secret *s);
#define _cleanup_secret_ __attribute__((cleanup(secret_wipe)))

/* Copies `size` bytes in. Returns 0, or -ERANGE (then `s` is empty) above SECRET_SIZE_MAX. */
MUST_USE int secret_set(struct secret *s, const void *bytes, size_t size);
