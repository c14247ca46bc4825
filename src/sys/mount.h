/* Mounts, as PID 1 of an initrd needs them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/check.h"

struct mount_request {
    const char *source; /* what /proc/mounts shows, or a device path */
    const char *target; /* made with mode 0755 when it is missing */
    const char *type;
    unsigned long flags; /* MS_... */
    const char *options; /* NULL for none */
};

/* Returns 0 or a negative errno. */
MUST_USE int mount_make(const struct mount_request *request);

/* Moves the mount at `from` to the existing folder `to`. Returns 0 or a negative errno. */
MUST_USE int mount_move(const char *from, const char *to);

/* Takes the mount out of the tree; files that are open on it stay usable (MNT_DETACH). */
MUST_USE int mount_detach(const char *target);

/* Makes the mount at `new_root` the root of the mount tree and of this process, after moving the
 * mounts in `moved` (NULL-terminated, absolute paths that exist in both trees) into it. Then
 * removes everything that is left in the old root when that is the memory of the initramfs (tmpfs
 * or ramfs, anything else is left alone): nothing else would ever free it. Returns 0 or a negative
 * errno; after a failure the tree may be half moved. */
MUST_USE int mount_switch_root(const char *new_root, const char *const moved[]);

/* Removes everything below the folder `folder_fd` (which is closed), staying on its filesystem
 * and following no link; goes on after failures, which are left in place. Never allocates. */
void mount_empty_folder(int folder_fd);
