#include "image/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/file.h"

/* A disk has no size for stat(2). */
static int size_of(int fd, const char *path, uint64_t *ret, struct failure *f)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return file_failure(f, errno, "read", path);
    *ret = (uint64_t)status.st_size;
    if (S_ISBLK(status.st_mode))
        return ioctl(fd, BLKGETSIZE64, ret) < 0 ? file_failure(f, errno, "read", path) : 0;
    return S_ISREG(status.st_mode)
               ? 0
               : failure_set(f, CODE_ARTIFACT_UNKNOWN, -EINVAL, "'%s' is no file", path);
}

int mapped_open(const char *path, struct span *ret, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t size;
    void *bytes;
    int r;

    if (fd < 0)
        return file_failure(f, errno, "open", path);
    r = size_of(fd, path, &size, f);
    if (r < 0)
        return r;
    if (size == 0) {
        *ret = (struct span){ (const uint8_t *)"", 0 };
        return 0;
    }
    bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return file_failure(f, errno, "map", path);
    *ret = (struct span){ bytes, (size_t)size };
    return 0;
}

void mapped_close(struct span *span)
{
    if (span->size > 0)
        (void)munmap((void *)(uintptr_t)span->bytes, span->size);
    *span = (struct span){ NULL, 0 };
}
