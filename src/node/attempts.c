#include "node/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/efivars.h"

int attempts_clear(const char *folder, struct failure *f)
{
    /* The reason was shown by stage 1 and stands in its facts; kept, it would be shown for ever. */
    static const char *const names[] = { EFIVARS_ATTEMPTS, EFIVARS_REASON };
    _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs filesystem;
    int r;

    if (fd < 0 && errno == ENOENT)
        return 0; /* started without EFI, so nothing was counted */
    if (fd < 0 || fstatfs(fd, &filesystem) < 0)
        return failure_set(f, CODE_ATTEMPTS, -errno, "cannot open '%s'", folder);
    if (filesystem.f_type != EFIVARFS_MAGIC)
        return failure_set(f, CODE_ATTEMPTS, -ENODEV, "efivarfs is not mounted on '%s'", folder);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        r = efivars_remove(fd, names[i]);
        if (r < 0)
            return failure_set(f, CODE_ATTEMPTS, r, "cannot remove the variable '%s'", names[i]);
    }
    return 0;
}
