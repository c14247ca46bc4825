#include "sys/efivars.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/attribute.h"

enum {
    ATTRIBUTES_SIZE = 4,
    FILE_NAME_MAX = 128,
    VALUE_MAX = 1024, /* the largest that anything here reads */
};

/* NON_VOLATILE | BOOTSERVICE_ACCESS | RUNTIME_ACCESS (UEFI 2.10, 8.2.1). */
static const unsigned char attributes[ATTRIBUTES_SIZE] = { 7, 0, 0, 0 };

static void make_name(const char *name, const char *guid, char ret[static FILE_NAME_MAX])
{
    struct line l = line_make(ret, FILE_NAME_MAX);

    line_addf(&l, "%s-%s", name, guid);
    CHECK(!l.cut);
}

int efivars_read(int folder_fd, const char *name, const char *guid, void *buffer, size_t capacity)
{
    unsigned char content[ATTRIBUTES_SIZE + VALUE_MAX + 1];
    char file[FILE_NAME_MAX];
    int size;

    make_name(name, guid, file);
    size = attribute_read(folder_fd, file, content, sizeof(content));
    if (size < 0)
        return size;
    if (size < ATTRIBUTES_SIZE)
        return -EBADMSG;
    size -= ATTRIBUTES_SIZE;
    if ((size_t)size > capacity)
        return -ERANGE;
    if (size > 0)
        memcpy(buffer, content + ATTRIBUTES_SIZE, (size_t)size);
    return size;
}

/* A variable that is not there, or a filesystem without flags, needs no clearing. */
static int clear_immutable(int folder_fd, const char *file)
{
    _cleanup_close_ int fd = openat(folder_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int flags = 0; /* the kernel reads and writes an int, whatever the ioctl's number says */

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
        return 0;
    flags &= ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int efivars_write(int folder_fd, const char *name, const void *bytes, size_t size)
{
    unsigned char content[ATTRIBUTES_SIZE + EFIVARS_REASON_MAX];
    _cleanup_close_ int fd = -1;
    char file[FILE_NAME_MAX];
    ssize_t written;
    int r;

    CHECK(size > 0 && size <= EFIVARS_REASON_MAX);
    make_name(name, EFIVARS_GUID_BROCH, file);
    r = clear_immutable(folder_fd, file);
    if (r < 0)
        return r;
    memcpy(content, attributes, ATTRIBUTES_SIZE);
    memcpy(content + ATTRIBUTES_SIZE, bytes, size);
    fd = openat(folder_fd, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    written = write(fd, content, ATTRIBUTES_SIZE + size);
    if (written < 0)
        return -errno;
    return (size_t)written == ATTRIBUTES_SIZE + size ? 0 : -EIO;
}

int efivars_remove(int folder_fd, const char *name)
{
    char file[FILE_NAME_MAX];
    int r;

    make_name(name, EFIVARS_GUID_BROCH, file);
    r = clear_immutable(folder_fd, file);
    if (r < 0)
        return r;
    return unlinkat(folder_fd, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}
