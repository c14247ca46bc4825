/* Downloads by libcurl, several at once, into files whose digest is known beforehand. A file
 * appears under its name only after its size and digest were checked. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "image/digest.h"
#include "image/progress.h"

struct fetch_item {
    const char *address; /* borrowed */
    const char *target;  /* borrowed; its folder exists */
    const char *label;   /* for messages: "package bash 5.2-1" */
    uint64_t size;
    struct digest digest;
};

/* Fetches all items, 8 at a time; a transfer that breaks is tried three times. CODE_PACKAGE_GONE
 * when the server says 404 or 410, CODE_LOCK_HASH for wrong bytes (naming label, expected and
 * found), CODE_DOWNLOAD otherwise. Files that came whole stay. */
MUST_USE int fetch_all(const struct fetch_item *items, size_t count, struct progress *progress,
                       struct failure *f);
