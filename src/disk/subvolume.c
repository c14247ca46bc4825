#include "disk/subvolume.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>

int subvolume_create(int folder_fd, const char *name)
{
    struct btrfs_ioctl_vol_args arguments = { .fd = 0 };

    if (strlen(name) >= sizeof(arguments.name))
        return -ENAMETOOLONG;
    memcpy(arguments.name, name, strlen(name));
    return ioctl(folder_fd, BTRFS_IOC_SUBVOL_CREATE, &arguments) < 0 ? -errno : 0;
}

int subvolume_snapshot(int source_fd, int folder_fd, const char *name)
{
    struct btrfs_ioctl_vol_args_v2 arguments = { .fd = source_fd, .flags = BTRFS_SUBVOL_RDONLY };

    if (strlen(name) >= sizeof(arguments.name))
        return -ENAMETOOLONG;
    memcpy(arguments.name, name, strlen(name));
    return ioctl(folder_fd, BTRFS_IOC_SNAP_CREATE_V2, &arguments) < 0 ? -errno : 0;
}

int subvolume_delete(int folder_fd, const char *name)
{
    struct btrfs_ioctl_vol_args arguments = { .fd = 0 };

    if (strlen(name) >= sizeof(arguments.name))
        return -ENAMETOOLONG;
    memcpy(arguments.name, name, strlen(name));
    if (ioctl(folder_fd, BTRFS_IOC_SNAP_DESTROY, &arguments) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}
