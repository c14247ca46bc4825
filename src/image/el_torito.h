/* Where firmware finds the boot image of a CD: the El Torito catalog ("El Torito" Bootable CD-ROM
 * Format Specification 1.0, and UEFI 2.10, 13.3.2.1 for what UEFI makes of it). Pure.
 *
 * Sector 17 of 2,048 bytes is the boot record of the volume descriptors (ECMA-119, 8.2) and names
 * the catalog's sector. The catalog's first entry of 32 bytes is checked by a sum, the second one
 * is the boot image: no emulation, and for UEFI a FAT file system. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { EL_TORITO_SECTOR = 2048 };

struct el_torito {
    uint64_t offset; /* of the boot image, in bytes */
    uint64_t size;   /* bytes; 0: to the end of the medium */
};

/* -ENOENT: no CD that anything is started from; -EBADMSG: malformed, or not for UEFI. */
MUST_USE int el_torito_find(const void *bytes, size_t size, struct el_torito *ret);
