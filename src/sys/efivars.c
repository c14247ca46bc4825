#include "sys/efivars.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "sys/attribute.h"

enum {
    ATTRIBUTES_SIZE = 4,
    FILE_NAME_MAX = 128,
    GUID_LENGTH = 36,
    ENTRIES_BUFFER_SIZE = 4096,
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
    unsigned char content[ATTRIBUTES_SIZE + EFIVARS_VALUE_MAX + 1];
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

/* A variable is replaced whole, whatever its size was. A file of an ordinary folder, which is a
 * copy of a store, would keep its tail. */
static int cut_tail(int fd, size_t size)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    return status.st_size > (off_t)size && ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int write_variable(int folder_fd, const char *file, const void *bytes, size_t size)
{
    unsigned char content[ATTRIBUTES_SIZE + EFIVARS_VALUE_MAX];
    _cleanup_close_ int fd = -1;
    ssize_t written;
    int r;

    CHECK(size > 0 && size <= EFIVARS_VALUE_MAX);
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
    return (size_t)written == ATTRIBUTES_SIZE + size ? cut_tail(fd, ATTRIBUTES_SIZE + size) : -EIO;
}

static int remove_variable(int folder_fd, const char *name, const char *guid)
{
    char file[FILE_NAME_MAX];
    int r;

    make_name(name, guid, file);
    r = clear_immutable(folder_fd, file);
    if (r < 0)
        return r;
    return unlinkat(folder_fd, file, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int efivars_write(int folder_fd, const char *name, const void *bytes, size_t size)
{
    char file[FILE_NAME_MAX];

    CHECK(size <= EFIVARS_REASON_MAX);
    make_name(name, EFIVARS_GUID_BROCH, file);
    return write_variable(folder_fd, file, bytes, size);
}

int efivars_remove(int folder_fd, const char *name)
{
    return remove_variable(folder_fd, name, EFIVARS_GUID_BROCH);
}

static bool holds(int folder_fd, const char *name, const void *bytes, size_t size)
{
    unsigned char found[EFIVARS_VALUE_MAX];
    int r = efivars_read(folder_fd, name, EFIVARS_GUID_GLOBAL, found, sizeof(found));

    return r >= 0 && (size_t)r == size && memcmp(found, bytes, size) == 0;
}

int efivars_write_global(int folder_fd, const char *name, const void *bytes, size_t size)
{
    char file[FILE_NAME_MAX];
    int r;

    if (holds(folder_fd, name, bytes, size))
        return 0;
    make_name(name, EFIVARS_GUID_GLOBAL, file);
    r = write_variable(folder_fd, file, bytes, size);
    if (r < 0)
        return r;
    return holds(folder_fd, name, bytes, size) ? 0 : -EIO;
}

int efivars_remove_global(int folder_fd, const char *name)
{
    return remove_variable(folder_fd, name, EFIVARS_GUID_GLOBAL);
}

/* Calls `visit` when the file is a variable of this GUID. */
static int visit_file(const char *file, const char *guid, efivars_visit visit, void *context)
{
    size_t length = strlen(file);
    char name[FILE_NAME_MAX];
    struct line l = line_make(name, sizeof(name));

    if (length <= GUID_LENGTH + 1 || file[length - GUID_LENGTH - 1] != '-' ||
        strcasecmp(file + length - GUID_LENGTH, guid) != 0)
        return 0;
    line_add_bytes(&l, file, length - GUID_LENGTH - 1);
    return l.cut ? 0 : visit(name, context); /* a longer name is none that is looked for */
}

int efivars_list(int folder_fd, const char *guid, efivars_visit visit, void *context)
{
    _Alignas(struct dirent64) char buffer[ENTRIES_BUFFER_SIZE];
    /* A descriptor of its own: where the reading stands belongs to it. */
    _cleanup_close_ int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return -errno;
    while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0) {
        for (size_t offset = 0; offset < (size_t)size;) {
            const struct dirent64 *entry = (const void *)(buffer + offset);
            int r = visit_file(entry->d_name, guid, visit, context);

            if (r != 0)
                return r;
            offset += entry->d_reclen;
        }
    }
    return size < 0 ? -errno : 0;
}

int efivars_write_signed(int folder_fd, const char *name, const char *guid, bool append,
                         const void *bytes, size_t size)
{
    /* As above, and TIME_BASED_AUTHENTICATED_WRITE_ACCESS, APPEND_WRITE. */
    const unsigned char first[ATTRIBUTES_SIZE] = { append ? 0x67 : 0x27 };
    _cleanup_free_ unsigned char *content = malloc(ATTRIBUTES_SIZE + size);
    _cleanup_close_ int fd = -1;
    char file[FILE_NAME_MAX];
    ssize_t written;
    int r;

    if (!content)
        return -ENOMEM;
    memcpy(content, first, ATTRIBUTES_SIZE);
    memcpy(content + ATTRIBUTES_SIZE, bytes, size);
    make_name(name, guid, file);
    r = clear_immutable(folder_fd, file);
    if (r < 0)
        return r;
    fd = openat(folder_fd, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    written = write(fd, content, ATTRIBUTES_SIZE + size);
    if (written < 0)
        return -errno;
    return (size_t)written == ATTRIBUTES_SIZE + size ? 0 : -EIO;
}
