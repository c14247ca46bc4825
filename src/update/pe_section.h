/* One section of a boot file (PE/COFF: Microsoft's specification, 3 and 4). Pure. A file that is
 * about to be trusted was verified before; this only has to be safe with any bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Where the content of the section `name` (at most eight characters, ".pcrsig") lies in the file.
 * Its size is the virtual one, without the padding behind it. Returns 0, -ENOENT, or -EBADMSG for
 * what is no PE file or tells of bytes that are not there. */
MUST_USE int pe_section_find(const void *bytes, size_t size, const char *name, size_t *ret_offset,
                             size_t *ret_size);
