/* The filesystems of the running system: which are mounted at the start, and in which order
 * everything is unmounted at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

/* What a mount that fails means. */
enum mounts_need {
    MOUNTS_NEEDED,   /* the machine is of no use without it */
    MOUNTS_USEFUL,   /* a warning, and on */
    MOUNTS_IF_THERE, /* the kernel or the firmware may lack it: silence for that, else a warning */
};

struct mounts_entry {
    const char *target;
    const char *type;
    unsigned long flags; /* MS_* */
    const char *options;
    enum mounts_need need;
    bool make; /* the mount point lies on a writable filesystem and is made when missing */
};

/* In the order of mounting: parents first. A target that is a mount point already is left as it is,
 * which is how stage 1 hands over /proc, /sys, /dev, /run and, with a persist volume, /var and
 * /home. */
extern const struct mounts_entry mounts_table[];
extern const size_t mounts_table_count;

/* Mounts one entry unless its target is a mount point already. Returns 0 or a negative errno with
 * the failure. */
MUST_USE int mounts_make(const struct mounts_entry *entry, struct failure *f);

/* Makes `to` show what is at `from`, with these MS_* flags; leaves a mount point alone. */
MUST_USE int mounts_bind(const char *from, const char *to, unsigned long flags, struct failure *f);

/* True for an error that MOUNTS_IF_THERE forgives: no such filesystem or no such place. */
bool mounts_error_is_absence(int error);

enum {
    MOUNTS_TARGETS_MAX = 512,
    MOUNTS_TARGET_SIZE = 1024,
};

/* Takes the mount point out of one line of /proc/self/mountinfo and undoes the kernel's octal
 * escapes. Returns 0, or -EBADMSG (`ret_target` undefined). */
MUST_USE int mounts_parse_target(const char *line, size_t length,
                                 char ret_target[static MOUNTS_TARGET_SIZE]);

/* True when the end of the machine leaves this mount alone: the root and what reboot(2) and the
 * last messages need. */
bool mounts_is_kept(const char *target);

/* Unmounts everything that can be, last mounted first; what is busy is made read-only. Called by
 * PID 1 when no other process is left. Returns the number of mounts that stayed. */
size_t mounts_unmount_all(void);
