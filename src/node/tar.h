/* Members of a tar archive in POSIX ustar form: a head of 512 bytes, the content, zeroes up to the
 * next multiple of 512; two empty heads end the archive. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { TAR_BLOCK = 512, TAR_NAME_MAX = 99 };

/* Appends a file of root's with mode 0600. The name is relative, has at most TAR_NAME_MAX bytes. */
void tar_add_file(struct text *t, const char *name, uint64_t modified_s, const void *bytes,
                  size_t size);

/* Appends the end. */
void tar_add_end(struct text *t);
