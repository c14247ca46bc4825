/* Writes the initrd's archive ("newc", kernel: Documentation/driver-api/early-userspace/
 * buffer-format.rst) with libarchive. Entries are sorted, folders come by themselves, everything
 * belongs to root and has the same time: the bytes depend on contents alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum { CPIO_ENTRIES_MAX = 512 };

struct cpio_entry {
    char *path;     /* without leading slash; owned */
    char *source;   /* host path, or NULL with bytes; owned */
    uint8_t *bytes; /* owned */
    size_t size;
    bool executable;
    bool folder;
};

struct cpio {
    struct cpio_entry entries[CPIO_ENTRIES_MAX];
    size_t count;
};

void cpio_done(struct cpio *cpio);

/* Adds a file from the host, and its folders. A path that is there already is refused. */
MUST_USE int cpio_add_file(struct cpio *cpio, const char *path, const char *source, bool executable,
                           struct failure *f);

/* Adds a file with this content (copied), and its folders. */
MUST_USE int cpio_add_bytes(struct cpio *cpio, const char *path, const void *bytes, size_t size,
                            struct failure *f);

MUST_USE int cpio_write(struct cpio *cpio, const char *path, uint64_t date, struct failure *f);
