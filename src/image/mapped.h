/* A file or a disk as memory, read-only. A file that somebody cuts short meanwhile ends the
 * program. */
#pragma once

#include "base/failure.h"
#include "base/span.h"

/* *ret is to be closed; a file of no bytes gives a span of none. CODE_ARTIFACT_UNKNOWN for what is
 * neither a file nor a disk; CODE_IO. */
MUST_USE int mapped_open(const char *path, struct span *ret, struct failure *f);
void mapped_close(struct span *span);
#define _cleanup_mapped_ __attribute__((cleanup(mapped_close)))
