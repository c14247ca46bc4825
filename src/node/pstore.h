/* Last words of a kernel that failed: the firmware kept them (pstore), and they are moved to where
 * people look before the store is full. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

enum {
    PSTORE_RECORDS_MAX = 32,             /* kept at the target, the newest ones */
    PSTORE_RECORD_SIZE_MAX = 256 * 1024, /* longer ones are cut */
};

/* Copies every record of `store` into the folder `target`, which is made (0700), as
 * "<seconds of its time, ten digits>-<name>", and removes it from the store when `empty`. Records
 * that are there already are not copied again. *ret_count is the number of new ones. Returns 0 or a
 * negative errno with the failure (CODE_PSTORE); a store that does not exist holds nothing. */
MUST_USE int pstore_collect(const char *store, const char *target, bool empty, size_t *ret_count,
                            struct failure *f);
