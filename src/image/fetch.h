/* Downloads by libcurl, several at once, into files whose digest is known beforehand. A file
 * appears under its name only after its size and digest were checked. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "trust/digest.h"
#include "sys/progress.h"

enum { FETCH_STALL_SECONDS = 60 };

/* For tests: how long a transfer may stand still, instead of FETCH_STALL_SECONDS. */
void fetch_set_stall(unsigned seconds);

struct fetch_item {
    const char *address; /* borrowed */
    const char *target;  /* borrowed; its folder exists */
    const char *label;   /* for messages: "package bash 5.2-1" */
    uint64_t size;
    struct digest digest;
};

/* Fetches all items, 8 at a time; a transfer that breaks is tried three times. CODE_PACKAGE_GONE
 * when the server says 404 or 410, CODE_LOCK_HASH for wrong bytes (naming label, expected and
 * found), CODE_DOWNLOAD otherwise, and with -ETIMEDOUT when the mirror stalls. A mirror that is
 * slow and steady is waited for. Files that came whole stay. */
MUST_USE int fetch_all(const struct fetch_item *items, size_t count, struct progress *progress,
                       struct failure *f);
