#include "sys/module.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

int module_load(int folder_fd, const char *file)
{
    _cleanup_close_ int fd = openat(folder_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    /* int finit_module(int fd, const char *param_values, int flags): glibc has no wrapper. */
    return syscall(SYS_finit_module, fd, "", 0) < 0 ? -errno : 0;
}
