/* A FAT32 file system in memory, a slot of a disk, read as firmware reads it, also after a power
 * cut: whatever the tables say by then. Never written. Pure; for 512-byte sectors. The form is that
 * of Microsoft's "FAT: General Overview of On-Disk Format", 1.03. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct fat {
    const uint8_t *bytes; /* borrowed */
    uint64_t size;
    uint64_t table;        /* where the first table begins */
    uint64_t data;         /* where cluster 2 begins */
    uint32_t cluster_size; /* bytes */
    uint32_t cluster_end;  /* one more than the last cluster's number */
    uint32_t root;
};

struct fat_file {
    uint32_t first_cluster; /* 0: it has none */
    uint32_t size;          /* bytes; 0 for a folder */
    bool is_folder;
};

/* -EBADMSG for what is no such file system, or does not fit into `size`. */
MUST_USE int fat_open(const void *bytes, uint64_t size, struct fat *ret);

/* Finds "EFI/broch/linux.efi", by the long name or the short one, letters in either case. Returns
 * 0; -ENOENT; -EBADMSG when a folder on the way has a broken chain before the name was found. */
MUST_USE int fat_find(const struct fat *fat, const char *path, struct fat_file *ret);

/* True when the file has exactly these bytes. */
bool fat_equals(const struct fat *fat, const struct fat_file *file, const void *bytes, size_t size);

/* True when the file has bytes, and clusters for all of them. */
bool fat_is_readable(const struct fat *fat, const struct fat_file *file);

/* Copies the file's bytes, `size` of them. The file must be readable. */
void fat_copy(const struct fat *fat, const struct fat_file *file, void *ret);

/* Where the file's clusters lie, in bytes of the file system, when they follow each other: true and
 * the range. False for a file in pieces, or with a broken chain, or without a byte. */
MUST_USE bool fat_span(const struct fat *fat, const struct fat_file *file, uint64_t *ret_first,
                       uint64_t *ret_end);
