/* A store in memory that keeps the contract and crashes on command: for tests and the simulator. */
#pragma once

#include "org/store.h"

struct store_memory;

MUST_USE int store_memory_new(size_t bytes_max, uint32_t parcels_max, struct store_memory **ret);
struct store_memory *store_memory_free(struct store_memory *m);

/* Valid until store_memory_free(). */
struct store store_memory_store(struct store_memory *m);

/* What a power cut leaves: the transaction under way is gone and, of those whose commit did not
 * return 0, all. */
void store_memory_crash(struct store_memory *m);

/* Until set back, commits fail with this negative errno and roll back. */
void store_memory_fail(struct store_memory *m, int error);

/* Puts a copy of the committed state of `from` in place of ours: an old disk image restored. */
MUST_USE int store_memory_restore(struct store_memory *m, const struct store_memory *from);

uint32_t store_memory_commits(const struct store_memory *m);
