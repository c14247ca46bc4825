/* Reads a system image: EROFS (Linux: Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h) as
 * the factory makes it, uncompressed. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"
#include "trust/digest.h"

enum {
    EROFS_DEPTH_MAX = 64,
    EROFS_PATH_MAX = 4096,
    EROFS_ENTRIES_MAX = 1 << 20,
};

/* One name in the image. Views into it, valid as long as it is; the path until the callback ends.
 */
struct erofs_entry {
    const char *path; /* without a leading slash */
    uint16_t mode;    /* as in struct stat */
    uint32_t user, group;
    uint64_t inode;
    struct span parts[2]; /* the content, or where a link leads: one after the other */
};

uint64_t erofs_size(const struct erofs_entry *entry);
struct digest erofs_digest(const struct erofs_entry *entry);

typedef int (*erofs_each)(const struct erofs_entry *entry, void *context);

/* Calls `each` for everything but the root, a folder before what is in it, names in byte order.
 * Stops at the first non-zero result and returns it. -EBADMSG for what is no EROFS or leads outside
 * of it, -ENOTSUP for one that is compressed or in chunks, -ERANGE above a limit. */
MUST_USE int erofs_walk(struct span image, erofs_each each, void *context);

/* Whether the bytes begin like an EROFS file system. */
MUST_USE bool erofs_is(struct span image);
