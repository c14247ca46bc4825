/* The sections of a boot file (PE/COFF: Microsoft's specification, 3 and 4). Pure. A file that is
 * about to be trusted was verified before; this only has to be safe with any bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { PE_SECTION_NAME_SIZE = 8, PE_SECTIONS_MAX = 96 /* what loaders take */ };

struct pe_section {
    char name[PE_SECTION_NAME_SIZE + 1];
    size_t offset; /* of the content in the file */
    size_t size;   /* of the content: the virtual one, without the padding behind it */
    size_t room;   /* what it takes in the file */
};

struct pe_sections {
    struct pe_section list[PE_SECTIONS_MAX]; /* in the order of the file's table */
    size_t count;
};

/* All sections. Returns 0, or -EBADMSG for what is no PE file or tells of bytes that are not there.
 */
MUST_USE int pe_sections_read(const void *bytes, size_t size, struct pe_sections *ret);

/* Where the content of the section `name` (at most eight characters, ".pcrsig") lies in the file.
 * Its size is the virtual one, without the padding behind it. Returns 0, -ENOENT, or -EBADMSG for
 * what is no PE file or tells of bytes that are not there. */
MUST_USE int pe_section_find(const void *bytes, size_t size, const char *name, size_t *ret_offset,
                             size_t *ret_size);
