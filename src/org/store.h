/* Where a replica's parcels live. The contract, which the simulator models and a store keeps:
 *
 *  - The owner of the replica collects the parcels of one step (replica_take() returned 1, or our
 *    own writing) and commits them as one transaction. Only then does anything that they caused
 *    leave the node: nothing leaves before it is on the disk.
 *  - After a crash the store holds the parcels of some number of whole transactions, in their
 * order, from the first on: the last ones may be missing, unless commit() returned before the
 * crash, and none is ever torn.
 *  - A store that cannot be trusted says so when it is opened (-EUCLEAN); its owner sets it aside
 *    with its quarantine function, begins an empty one, draws a new instance, and gets its state
 * from its peers.
 *  - What is read back is verified again by replica_take(): hashes, signatures, authority.
 *
 * Parcels are opaque here, and the same parcel may be stored twice. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct store_operations {
    /* Adds to the transaction under way, which it begins if need be. Returns 0, -ENOSPC, -EIO. */
    int (*append)(void *context, const uint8_t *bytes, size_t size);
    /* Commits; when it returns 0 the parcels survive a power cut. Otherwise -ENOSPC or -EIO, and
     * the transaction is rolled back: the step must not have happened. */
    int (*commit)(void *context);
    /* Calls `take` for every committed parcel in order, until it returns a negative errno, which is
     * returned. Returns 0, or -EUCLEAN for a damaged store. */
    int (*load)(void *context, int (*take)(void *owner, const uint8_t *bytes, size_t size),
                void *owner);
};

struct store {
    const struct store_operations *operations;
    void *context;
};

static inline MUST_USE int store_append(const struct store *s, const uint8_t *bytes, size_t size)
{
    return s->operations->append(s->context, bytes, size);
}

static inline MUST_USE int store_commit(const struct store *s)
{
    return s->operations->commit(s->context);
}

static inline MUST_USE int store_load(const struct store *s,
                                      int (*take)(void *owner, const uint8_t *bytes, size_t size),
                                      void *owner)
{
    return s->operations->load(s->context, take, owner);
}
