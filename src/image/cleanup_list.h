/* What maintainer scripts and the build host leave in a root that must not be in an image: secrets,
 * identities, caches, logs, device nodes. Applied to every entry of the root's tar. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cleanup_rule {
    const char *pattern; /* fnmatch(3) on the path without leading slash; '*' never takes a slash */
    const char *reason;
};

/* The declared list, in the order in which it is tried. */
const struct cleanup_rule *cleanup_rules(size_t *ret_count);

/* The rule that drops this path ("etc/ssh/ssh_host_rsa_key"), or NULL when it stays. A pattern that
 * names a folder's content ("dev/...") leaves the folder itself; any other one that matches a
 * folder drops its content too. */
const struct cleanup_rule *cleanup_match(const char *path);
