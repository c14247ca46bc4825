/* One line that somebody types, and that must not be seen. */
#pragma once

#include <stddef.h>

#include "base/check.h"

/* Reads up to the end of the line, at most `capacity` bytes, without the "\n"; at a terminal the
 * prompt is shown on standard error and nothing is echoed. Nothing of it stays in a buffer of the
 * C library. Whatever ends the reading, a signal of the keyboard among it, the terminal is as it
 * was; such a signal is then let through, which ends the process unless somebody handles it.
 * Returns the size or -EINTR. */
MUST_USE int typed_read(int fd, const char *prompt, char *ret, size_t capacity);
