/* Whether a release fits, asked before anything is fetched or removed. */
#pragma once

#include <stdint.h>

#include "base/failure.h"

/* What a slot (FAT32 with clusters of 4 KiB) of `slot_size` bytes needs for these files: linux.efi
 * twice, because a confirmed slot also has it as BOOTX64.EFI, and the tables of the file system.
 * UINT64_MAX when it does not fit into a number. Pure. */
uint64_t space_slot_need(uint64_t slot_size, uint64_t uki, uint64_t image);

/* CODE_UPDATE_SPACE unless the slot can hold them. Pure. */
MUST_USE int space_check_slot(uint64_t slot_size, uint64_t uki, uint64_t image, struct failure *f);

/* CODE_UPDATE_SPACE unless so many bytes, and a rest for everybody else, are free where `path` is.
 */
MUST_USE int space_check_folder(const char *path, uint64_t bytes, struct failure *f);
