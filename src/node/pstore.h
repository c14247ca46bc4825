/* Last words of a kernel that failed: the firmware kept them (pstore), and they are moved to where
 * people look before the store is full. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

enum {
    PSTORE_RECORDS_MAX = 32,             /* kept at the target, the newest ones */
    PSTORE_RECORD_SIZE_MAX = 256 * 1024, /* longer ones are cut */
    PSTORE_PANIC_SIZE = 129,
};

/* Why the kernel before this one panicked, in its own words, for this boot: a file with one line,
 * not there when none did. PID 1 writes it. */
#define PSTORE_PANIC_PATH "/run/broch/panic"

struct pstore_found {
    size_t count;                  /* of new records */
    char panic[PSTORE_PANIC_SIZE]; /* printable words of the newest panic among them; "" for none */
};

/* Copies every record of `store` into the folder `target`, which is made (0700), as
 * "<seconds of its time, ten digits>-<name>", and removes it from the store when `empty`. Records
 * that are there already are not copied again, and are not new. Returns 0 or a negative errno with
 * the failure (CODE_PSTORE); *ret is always set, to what was found until then. A store that does
 * not exist holds nothing. */
MUST_USE int pstore_collect(const char *store, const char *target, bool empty,
                            struct pstore_found *ret, struct failure *f);
