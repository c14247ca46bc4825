/* A file of a slot, as bytes. */
#pragma once

#include <stdint.h>

#include "base/check.h"
#include "disk/fat.h"
#include "base/span.h"

/* Finds a file by its path ("EFI/broch/linux.efi", letters of either case). *ret is a view into the
 * file system; a file that lies in pieces is copied to *ret_copy, which is NULL else and freed by
 * the caller. -ENOENT, also for a folder; -EBADMSG for a broken chain; -ENOMEM. */
MUST_USE int slot_file_find(const struct fat *fat, const char *path, struct span *ret,
                            uint8_t **ret_copy);
