/* Preloaded into stage 1 of a test's initrd: stands between it and the TPM, takes every command,
 * and answers with BROKEN_REPLY, so nothing is ever measured. */
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MISC_MAJOR = 10, TPM_MINOR = 224 };

static const uint8_t reply[] = { BROKEN_REPLY };

static int is_tpm(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(MISC_MAJOR, TPM_MINOR);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return is_tpm(fd) ? (ssize_t)size : syscall(SYS_write, fd, bytes, size);
}

ssize_t read(int fd, void *bytes, size_t size)
{
    if (!is_tpm(fd))
        return syscall(SYS_read, fd, bytes, size);
    if (size < sizeof(reply))
        return -1;
    memcpy(bytes, reply, sizeof(reply));
    return sizeof(reply);
}

/* The same, as _FORTIFY_SOURCE calls it. */
ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room)
{
    (void)room;
    return read(fd, bytes, size);
}
