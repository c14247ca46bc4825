/* Licences of a Debian package, as an SPDX expression (SPDX 2.3, annex D), from its copyright file
 * in the machine-readable form (Debian's copyright-format 1.0). Pure. */
#pragma once

#include "base/text.h"

/* Appends one expression that joins all licences the file names with AND: names that SPDX knows by
 * theirs, others as "LicenseRef-<name>". Nothing is appended for a file of another form, which only
 * people can read. The same file gives the same expression. */
void licence_read(const char *bytes, size_t size, struct text *ret);
