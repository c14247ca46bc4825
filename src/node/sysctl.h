/* Settings of the kernel, from a list in the image: /usr/lib/broch/sysctl.
 *
 *   line  = ["?"] path "=" value "#" reason      path below /proc/sys, with slashes; spaces around
 *
 * "?" stands before a setting of something that a kernel may be without; where it is, it is set.
 * Empty lines and lines that begin with '#' are left out. Every setting has its reason beside it:
 * a line without one is malformed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

#define SYSCTL_PATH "/usr/lib/broch/sysctl"

enum { SYSCTL_FILE_SIZE_MAX = 64 * 1024, SYSCTL_NAME_SIZE = 128, SYSCTL_VALUE_SIZE = 128 };

struct sysctl {
    char name[SYSCTL_NAME_SIZE];   /* "kernel/kptr_restrict" */
    char value[SYSCTL_VALUE_SIZE]; /* without spaces around */
    bool optional;                 /* a kernel without it is no failure */
};

/* Parses one line that is neither empty nor a comment. Returns 0, or -EBADMSG (*ret undefined, the
 * failure says what is wrong). Never allocates. */
MUST_USE int sysctl_parse_line(const char *text, size_t length, struct sysctl *ret,
                               struct failure *f);

/* Called for each line that could not be used; the rest is still set. */
typedef void (*sysctl_complaint)(const struct failure *f);

/* Sets all of the list below `root` ("/proc/sys"). Fails only when the list cannot be read. */
MUST_USE int sysctl_set(const char *path, const char *root, sysctl_complaint complain,
                        struct failure *f);
