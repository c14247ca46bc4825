/* The identity of a partition, from the GUID partition table on its disk (UEFI 2.10, 5.3). Pure.
 *
 * Only sysfs of Linux 6.13 and later tells a partition's GUID, and Debian 13 has 6.12. The kernel
 * has parsed the same table and decided what the partitions are; from here comes nothing but the
 * GUID, and only of an entry that agrees with the kernel about where the partition lies. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { PARTITION_UUID_LENGTH = 36 };

/* A GUID of the table as text in lower case; empty when there is none. */
struct partition_uuid {
    char text[PARTITION_UUID_LENGTH + 1];
};

enum {
    GPT_BLOCK_SIZE_MAX = 4096,
    GPT_HEADER_SIZE_MIN = 92, /* what the specification of the first revision describes */
    GPT_ENTRY_SIZE_MIN = 128,
    GPT_ENTRY_SIZE_MAX = 4096,
    GPT_ENTRY_COUNT_MAX = 1024,
};

struct gpt_header {
    uint64_t entries_block; /* where the entries begin, in logical blocks */
    uint32_t entry_count;
    uint32_t entry_size; /* bytes */
};

/* Parses the block of a header: the first one is block 1 of the disk, the backup its last block.
 * Its checksum and its own position are checked. Returns 0 or -EBADMSG. */
enum { GPT_FIRST_BLOCK = 1 };
MUST_USE int gpt_header_parse(const void *bytes, size_t size, uint64_t own_block,
                              struct gpt_header *ret);

/* LUKS (Discoverable Partitions Specification, UAPI.2): what persist is found by. */
#define GPT_TYPE_LUKS "ca7d7ccb-63ed-4c53-861c-1742536059cc"

struct gpt_entry {
    struct partition_uuid type; /* what kind of partition it is */
    struct partition_uuid uuid; /* the partition's own GUID */
    uint64_t first_block;
    uint64_t last_block; /* the last one that belongs to it */
};

/* Parses the first GPT_ENTRY_SIZE_MIN bytes of an entry. Returns 0, -ENOENT for an entry that is
 * not in use, or -EBADMSG when its end is before its start. */
MUST_USE int gpt_entry_parse(const uint8_t bytes[static GPT_ENTRY_SIZE_MIN], struct gpt_entry *ret);

/* Where on the disk the entry of partition `number` (from 1) lies, in bytes. Returns 0, or -ENOENT
 * when the table has no such entry. */
MUST_USE int gpt_entry_offset(const struct gpt_header *h, uint32_t number, uint32_t block_size,
                              uint64_t *ret);
