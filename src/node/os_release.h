/* What the image says about itself in /usr/lib/os-release. */
#pragma once

#include <stddef.h>

#include "base/check.h"

#define OS_RELEASE_PATH "/etc/os-release"

enum { OS_RELEASE_SIZE_MAX = 16384 };

/* Finds `key` in os-release text and writes its value, quotes and escapes undone, to ret_value. The
 * last assignment wins, as in a shell. Returns 0, -ENOENT when the key is missing, -EBADMSG for a
 * value that does not follow os-release(5), -ERANGE when it does not fit. Never allocates. */
MUST_USE int os_release_get(const char *text, size_t size, const char *key, char *ret_value,
                            size_t value_size);
