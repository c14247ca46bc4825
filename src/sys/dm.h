/* Device mapper: one device with one target, made, looked at and removed by ioctl (kernel interface
 * version 4, <linux/dm-ioctl.h>). No library: what is needed is four calls, and the usual one waits
 * for a udev that an initrd does not have. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

enum {
    DM_PARAMETERS_MAX = 2048, /* the text of a table line, and of its status */
    DM_LABEL_MAX = 64         /* names, UUIDs and target types, with the zero */
};

struct dm_target {
    const char *type;       /* "verity" */
    const char *parameters; /* as in the kernel's documentation of the target */
    uint64_t sectors;       /* of 512 bytes */
};

/* Opens the control device and checks its version. Returns the descriptor or a negative errno. */
MUST_USE int dm_open(void);

/* Makes the read-only device `name` with this one target and starts it. *ret_device is its number;
 * devtmpfs names it /dev/dm-<minor>. On failure nothing is left behind. Returns 0 or a negative
 * errno (-EEXIST when the name is taken, -EINVAL when the kernel refuses the table). */
MUST_USE int dm_create(int control_fd, const char *name, const char *uuid,
                       const struct dm_target *target, dev_t *ret_device);

/* The live table, or the live status, of the one target of `name`: its type in ret_type, its text
 * in ret_text. Returns 0, -EBADMSG when there is not exactly one target that starts at sector 0, or
 * another negative errno. */
enum dm_view { DM_VIEW_TABLE, DM_VIEW_STATUS };
struct dm_live {
    char type[DM_LABEL_MAX];
    char text[DM_PARAMETERS_MAX];
    uint64_t sectors;
};
MUST_USE int dm_look(int control_fd, const char *name, enum dm_view view, struct dm_live *ret);
