#include "sys/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "sys/file.h"

int lockfile_take(const char *path, bool wait, int *ret_fd, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return file_failure(f, errno, "open", path);
    while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
        if (errno != EINTR)
            return file_failure(f, errno, "lock", path);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}
