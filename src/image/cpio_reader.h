/* Reads the archives of an initrd ("newc", see cpio.h): as the kernel does, several of them may
 * follow each other with zeros between them. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

enum { CPIO_READER_ENTRIES_MAX = 65536 };

/* Views into the archive. */
struct cpio_member {
    const char *path; /* zero-terminated */
    uint32_t mode;
    struct span content;
};

typedef int (*cpio_each)(const struct cpio_member *member, void *context);

/* Calls `each` for every member in the order of the archives. Stops at the first non-zero result
 * and returns it. -EBADMSG for anything but archives, -ERANGE above the limit. */
MUST_USE int cpio_walk(struct span archives, cpio_each each, void *context);
