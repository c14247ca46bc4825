/* Subvolumes of btrfs, by ioctl (<linux/btrfs.h>). No library: what is needed is three calls. A
 * name has no slash; `folder_fd` is an open folder of the filesystem. */
#pragma once

#include "base/check.h"

/* Returns 0, -EEXIST, or another negative errno. */
MUST_USE int subvolume_create(int folder_fd, const char *name);

/* A read-only snapshot of the subvolume that `source_fd` is the root of. Returns likewise. */
MUST_USE int subvolume_snapshot(int source_fd, int folder_fd, const char *name);

/* Removes a subvolume; one that is not there is fine. Returns 0 or a negative errno. */
MUST_USE int subvolume_delete(int folder_fd, const char *name);
