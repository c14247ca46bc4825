/* What takes owner authorization: a session with it, and NV indices. Authorization values never
 * cross the bus: they key an HMAC, and new ones are encrypted, as everything is that goes into an
 * index, by a session that is salted to the storage root key.
 *
 *     struct seal_owner o = { .owner = owner, .srk = ESYS_TR_NONE, .session = ESYS_TR_NONE, .f = f
 * }; int r = seal_owner_begin(&o, false);
 *
 *     if (r == 0)
 *         r = ...
 *     return seal_owner_finish(&o, r); */
#pragma once

#include <stdbool.h>
#include <tss2/tss2_esys.h>

#include "base/failure.h"
#include "base/secret.h"

/* Our side of the hierarchies. */
struct seal_owner {
    const struct secret *owner, *lockout; /* ours; NULL: not known here */
    bool owner_set, lockout_set;          /* in the TPM: to something */
    ESYS_TR srk, session;
    struct failure *f;
};

/* Looks who owns the TPM: owner_set, lockout_set. CODE_TPM_COMMAND. */
MUST_USE int seal_owner_look(struct seal_owner *o);

/* Looks, finds the storage root key (with `make`, makes it), and starts the session.
 * CODE_UNSEAL_TPM without a storage root key, CODE_TPM_OWNED, CODE_TPM_COMMAND. */
MUST_USE int seal_owner_begin(struct seal_owner *o, bool make);

/* Flushes and forgets; returns `r`. Also after begin has failed, or without a TPM. */
int seal_owner_finish(struct seal_owner *o, int r);

/* A failed command: CODE_TPM_OWNED when it was for want of the right authorization, else
 * CODE_TPM_COMMAND. */
int seal_owner_failed(const struct seal_owner *o, TSS2_RC rc, const char *what);

/* The form of a value in a command; NULL: the empty one. To be wiped. */
TPM2B_AUTH seal_owner_value(const struct secret *value);

/* What the library uses for a hierarchy from now on; NULL: the empty value. */
void seal_owner_use(ESYS_TR hierarchy, const struct secret *value);

/* Removes an index; none there is fine. */
MUST_USE int seal_index_remove(struct seal_owner *o, TPM2_HANDLE number);

/* Makes an index with this public area in place of the one of this number, and fills it:
 * `bytes` has the size that the public area names. */
MUST_USE int seal_index_make(struct seal_owner *o, const TPM2B_NV_PUBLIC *area, const void *bytes);

/* Overwrites the first bytes of an index. CODE_UNSEAL_NV when there is none. */
MUST_USE int seal_index_write(struct seal_owner *o, TPM2_HANDLE number, const void *bytes,
                              size_t size);
