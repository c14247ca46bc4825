#include "node/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/file.h"

enum { POLICY_SIZE_MAX = 16 * 1024 * 1024 };

int policy_load(const char *path, const char *load_path, struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_close_ int fd = -1;
    size_t size;
    int r = file_read(path, POLICY_SIZE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    fd = open(load_path, O_WRONLY | O_CLOEXEC);
    /* One write is one set of profiles. */
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        return failure_set(f, CODE_POLICY, -errno, "cannot load '%s' into the kernel", path);
    return 0;
}
