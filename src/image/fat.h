/* Reads files out of a FAT32 file system (Microsoft's "FAT32 File System Specification" 1.03): a
 * slot of a disk. Pure; for what a disk image holds, long names included, never for writing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "image/span.h"

struct fat {
    struct span volume; /* borrowed */
    size_t cluster_size;
    size_t table; /* offset of the first allocation table */
    size_t data;  /* offset of cluster 2 */
    uint32_t cluster_count;
    uint32_t root;
};

/* Returns 0, or -EBADMSG for what is no FAT32 file system. */
MUST_USE int fat_open(struct span volume, struct fat *ret);

/* Finds a file by its path ("EFI/broch/linux.efi", letters of either case). *ret is a view into the
 * volume; a file that lies in pieces is copied to *ret_copy, which is NULL else and freed by the
 * caller. -ENOENT, -EBADMSG, -ENOMEM. */
MUST_USE int fat_find(const struct fat *fat, const char *path, struct span *ret,
                      uint8_t **ret_copy);
