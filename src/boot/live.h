/* The live medium: one image that firmware starts as a CD and as a USB stick. Its system image is a
 * partition of its own, in a GUID partition table with blocks of 512 bytes (UEFI 2.10, 5.3). On a
 * CD nobody but stage 1 reads that table: the blocks of the drive have 2,048 bytes, and the kernel
 * looks for no partitions there. docs/reference/live-medium.md has the layout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boot/superblock.h"
#include "disk/gpt.h"

/* The partition with the system image. Nothing is believed because of it: verity decides. */
#define LIVE_TYPE "c29ae722-9acd-4cfb-a32b-a9883cc45a5c"

/* The first eight digits ("live" in ASCII) of each GUID that the factory gives a live medium. From
 * a stick the loader names its partition like that of a slot, and a start from it must not count as
 * one. Slots have random GUIDs. */
#define LIVE_GUID_START "6c697665"

bool live_is_partition(const struct partition_uuid *uuid);

/* Looks for a partition of LIVE_TYPE on the disk open as `fd` that carries this superblock, whose
 * bytes are compared. *ret is where it begins, in bytes. Returns 0, -ENOENT, or another negative
 * errno when the disk cannot be read or has no such table. */
struct live_wanted {
    const struct superblock *superblock;
    const uint8_t *bytes; /* SUPERBLOCK_SIZE */
};
MUST_USE int live_find(int fd, const struct live_wanted *wanted, uint64_t *ret);
