#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { COPY_CHUNK_MAX = 1 << 30, TREE_FDS_MAX = 32 };

int file_failure(struct failure *f, int error, const char *verb, const char *path)
{
    return failure_set(f, error == ENOSPC || error == EDQUOT ? CODE_NO_SPACE : CODE_IO, -error,
                       "cannot %s '%s'", verb, path);
}

static int read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, bytes + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EIO; /* shorter than fstat said: somebody is writing it */
        done += (size_t)got;
    }
    return 0;
}

int file_read(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size,
              struct failure *f)
{
    /* Nonblocking: a named pipe in its place must not hold us. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    _cleanup_free_ uint8_t *bytes = NULL;
    struct stat status;
    int r;

    if (fd < 0 || fstat(fd, &status) < 0)
        return file_failure(f, errno, "read", path);
    if (!S_ISREG(status.st_mode))
        return file_failure(f, EISDIR, "read", path);
    if ((uint64_t)status.st_size > limit)
        return failure_set(f, CODE_IO, -ERANGE, "'%s' has %lld bytes, at most %zu are read", path,
                           (long long)status.st_size, limit);
    bytes = malloc((size_t)status.st_size + 1);
    if (!bytes)
        return file_failure(f, ENOMEM, "read", path);
    r = read_all(fd, bytes, (size_t)status.st_size);
    if (r < 0)
        return file_failure(f, -r, "read", path);
    bytes[status.st_size] = 0;
    *ret_size = (size_t)status.st_size;
    *ret_bytes = take_ptr(bytes);
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = write(fd, bytes + done, size - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        done += (size_t)put;
    }
    return 0;
}

/* Opens a new file beside `path`; *ret_temporary is its name, freed by the caller. */
static int open_beside(const char *path, mode_t mode, char **ret_temporary, int *ret_fd)
{
    _cleanup_free_ char *temporary = text_make("%s.new.XXXXXX", path);
    int fd;

    if (!temporary)
        return -ENOMEM;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode) < 0) {
        int error = errno;

        (void)unlink(temporary); /* the error before it is the one to report */
        (void)close(fd);
        return -error;
    }
    *ret_temporary = take_ptr(temporary);
    *ret_fd = fd;
    return 0;
}

/* Ends what open_beside() began: the file takes its place, or is removed when r < 0. */
static int close_beside(const char *path, const char *temporary, int fd, int r)
{
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    return r;
}

int file_write(const char *path, const void *bytes, size_t size, mode_t mode, struct failure *f)
{
    _cleanup_free_ char *temporary = NULL;
    int fd = -1;
    int r = open_beside(path, mode, &temporary, &fd);

    if (r == 0)
        r = close_beside(path, temporary, fd, write_all(fd, bytes, size));
    return r < 0 ? file_failure(f, -r, "write", path) : 0;
}

/* copy_file_range(2) shares blocks where it can, but refuses to cross from one filesystem to
 * another
 * (/tmp is often one of its own); sendfile(2) copies anything. Returns the bytes copied, at least
 * one. */
static ssize_t copy_some(int from, int to, off_t at, size_t size)
{
    off_t in = at, out = at;
    ssize_t done = copy_file_range(from, &in, to, &out, size, 0);

    if (done < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
        done = lseek(to, at, SEEK_SET) < 0 ? -1 : sendfile(to, from, &in, size);
    if (done < 0)
        return -errno;
    return done == 0 ? -EIO : done; /* the file got shorter meanwhile */
}

/* Copies the data ranges of `from`; what lies between them stays a hole. */
static int copy_ranges(int from, int to, off_t size)
{
    off_t at = 0;

    if (ftruncate(to, size) < 0)
        return -errno;
    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA);
        off_t hole;

        if (data < 0)
            return errno == ENXIO ? 0 : -errno;
        hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        for (off_t next = data; next < hole;) {
            size_t chunk = hole - next > COPY_CHUNK_MAX ? COPY_CHUNK_MAX : (size_t)(hole - next);
            ssize_t done = copy_some(from, to, next, chunk);

            if (done < 0)
                return (int)done;
            next += done;
        }
        at = hole;
    }
    return 0;
}

int file_copy(const char *from, const char *to, mode_t mode, struct failure *f)
{
    _cleanup_close_ int source = open(from, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *temporary = NULL;
    struct stat status;
    int fd = -1, r;

    if (source < 0 || fstat(source, &status) < 0)
        return file_failure(f, errno, "read", from);
    r = open_beside(to, mode, &temporary, &fd);
    if (r < 0)
        return file_failure(f, -r, "write", to);
    if (ioctl(fd, FICLONE, source) < 0)
        r = copy_ranges(source, fd, status.st_size);
    /* A copy can be made again, so it is not worth the wait of an fsync. */
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, to) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(temporary);
        return file_failure(f, -r, "write", to);
    }
    return 0;
}

int file_make_folders(const char *path, struct failure *f)
{
    _cleanup_free_ char *partial = strdup(path);

    if (!partial || path[0] == '\0')
        return file_failure(f, partial ? ENOENT : ENOMEM, "make", path);
    for (char *p = partial + 1;; p++) {
        char former = *p;

        if (former != '/' && former != '\0')
            continue;
        *p = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            return file_failure(f, errno, "make", partial);
        if (former == '\0')
            return 0;
        *p = former;
    }
}

int file_make_parent(const char *path, struct failure *f)
{
    _cleanup_free_ char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;

    if (!parent)
        return file_failure(f, ENOMEM, "make", path);
    if (!slash || slash == parent)
        return 0;
    *slash = '\0';
    return file_make_folders(parent, f);
}

int file_sync_parent(const char *path, struct failure *f)
{
    _cleanup_free_ char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    _cleanup_close_ int fd = -1;

    if (!parent)
        return file_failure(f, ENOMEM, "sync", path);
    if (slash)
        slash[slash == parent] = '\0'; /* the root keeps its name */
    fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? file_failure(f, errno, "sync the folder of", path) : 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)place;
    if (kind == FTW_DNR)
        (void)chmod(path, 0700); /* a folder without read permission; rmdir tells the rest */
    return remove(path) < 0 ? errno : 0;
}

int file_remove_tree(const char *path, struct failure *f)
{
    int r = nftw(path, remove_entry, TREE_FDS_MAX, FTW_DEPTH | FTW_PHYS);

    if (r < 0 && errno == ENOENT)
        return 0;
    if (r != 0)
        return file_failure(f, r > 0 ? r : errno, "remove", path);
    return 0;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int keep_real(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int file_list(const char *folder, file_each each, void *context, struct failure *f)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, keep_real, by_bytes);
    int r = 0;

    if (count < 0)
        return file_failure(f, errno, "list", folder);
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = each(folder, entries[i]->d_name, context, f);
        free(entries[i]);
    }
    free(entries);
    return r;
}
