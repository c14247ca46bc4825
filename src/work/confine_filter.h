/* The filter of system calls of a strict service: an allowlist out of the groups of
 * confine_names.h. What it refuses fails with EPERM and is a line of the kernel's audit log. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

/* Puts the filter on this thread and all it will start. Needs no_new_privs. `asked` are the words
 * of the manifest: groups and single calls, known ones. The calls that come after this one in a
 * program must be allowed too, execve above all. Returns 0 or a negative errno with the failure. */
MUST_USE int confine_filter_load(const char *const *asked, size_t count, struct failure *f);
