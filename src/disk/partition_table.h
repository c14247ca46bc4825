/* The GUID partition table of a disk that was written from an image: made this machine's own, by
 * libfdisk.
 *
 * Every disk written from one image has the same GUIDs, and persist has the size that the image
 * gave it. At its first start the disk and all partitions get new GUIDs, and persist grows to the
 * end. The table is written in the order of the UEFI specification, backup first, and
 * synchronously: a power cut leaves one of the two whole, either as it was or as it shall be. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

/* Writes the table of `disk` ("/dev/vda"), in which partition `persist` (from 1) becomes as large
 * as it can, and tells the kernel; other partitions may be in use. Returns 0 or a negative errno
 * with CODE_PERSIST_TABLE. */
MUST_USE int partition_table_adopt(const char *disk, unsigned persist, struct failure *f);
