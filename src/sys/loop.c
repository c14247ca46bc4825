#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

enum { LOOP_BLOCK_SIZE = 4096 };

static int configure(int loop_fd, int file_fd, uint64_t offset, uint32_t flags)
{
    struct loop_config config = {
        .fd = (uint32_t)file_fd,
        .block_size = LOOP_BLOCK_SIZE,
        .info = { .lo_offset = offset,
                  .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | flags },
    };

    return ioctl(loop_fd, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

static int attach_free(int file_fd, uint64_t offset, int number, struct loop *ret)
{
    struct loop_info64 info = { 0 };
    _cleanup_close_ int fd = -1;
    char path[32];
    int r;

    (void)snprintf(path, sizeof(path), "/dev/loop%d", number); /* a number fits */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = configure(fd, file_fd, offset, LO_FLAGS_DIRECT_IO);
    /* Kernels up to 6.13 fall back by themselves; later ones say so. */
    if (r == -EINVAL || r == -EOPNOTSUPP)
        r = configure(fd, file_fd, offset, 0);
    if (r < 0)
        return r;
    if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
        return -errno;
    *ret = (struct loop){ .number = (unsigned)number,
                          .direct_io = (info.lo_flags & LO_FLAGS_DIRECT_IO) != 0,
                          .fd = take_fd(&fd) };
    return 0;
}

int loop_attach(int file_fd, uint64_t offset, struct loop *ret)
{
    _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int number;

    if (control < 0)
        return -errno;
    number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0)
        return -errno;
    return attach_free(file_fd, offset, number, ret);
}
