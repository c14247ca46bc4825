/* The firmware's variable store as it lies in flash, at any moment: what firmware would read there
 * after a power cut. vm/variables.h changes stores by the tool of others, slowly; this only reads,
 * and takes a store that is half written as firmware takes it. Pure.
 *
 * The form is that of EDK II (MdeModulePkg/Include/Guid/VariableFormat.h, and Pi/
 * PiFirmwareVolume.h for the volume around it), with authenticated variables, which is the one
 * OVMF writes:
 *
 *     firmware volume   header with its own length; "_FVH" at byte 40
 *     store             GUID, size u32 with these 28 bytes, format u8, state u8, 6 bytes
 *     variables         at multiples of 4: start 0x55aa u16, state u8, u8, attributes u32,
 *                       count u64, time 16 bytes, key u32, size of the name u32, of the data u32,
 *                       GUID; the name (UTF-16 with its zero), then the data, with nothing between
 *
 * A variable is written with its state last, and bits of flash only go from 1 to 0. One that is
 * about to be replaced is "in deleted transition": it counts unless its successor is there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { VARIABLE_NAME_SIZE = 64, VARIABLE_GUID_SIZE = 16 };

struct variable {
    uint8_t guid[VARIABLE_GUID_SIZE];
    char name[VARIABLE_NAME_SIZE]; /* ASCII; a longer one is cut, another letter is '?' */
    bool replaced;                 /* in deleted transition */
    const uint8_t *data;           /* borrowed from the bytes of the store */
    size_t size;
};

struct variable_store {
    const uint8_t *bytes; /* borrowed: the variables' part alone */
    size_t size;
    size_t at;
};

/* Finds the variables in the bytes of the flash. -EBADMSG for anything that firmware would make
 * anew. */
MUST_USE int variable_store_open(const void *bytes, size_t size, struct variable_store *ret);

/* The next variable that counts, or is in deleted transition; false behind the last one. */
MUST_USE bool variable_store_next(struct variable_store *store, struct variable *ret);

/* What firmware answers for this name: the valid one, else the one in deleted transition. */
MUST_USE bool variable_store_find(const struct variable_store *store, const char *name,
                                  const uint8_t guid[static VARIABLE_GUID_SIZE],
                                  struct variable *ret);
