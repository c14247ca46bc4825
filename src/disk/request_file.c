#include "disk/request_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { NAME_SIZE = 32 };

#define RESULT_SUFFIX    ".result"
#define TEMPORARY_SUFFIX ".new"

static void make_name(enum request_kind kind, const char *suffix, char ret[static NAME_SIZE])
{
    struct line l = line_make(ret, NAME_SIZE);

    line_addf(&l, "%s%s", request_kind_name(kind), suffix);
    CHECK(!l.cut);
}

static int fail(struct failure *f, int r, const char *verb, const char *name)
{
    return failure_set(f, r == -ENOSPC ? CODE_NO_SPACE : CODE_IO, r, "cannot %s request '%s'", verb,
                       name);
}

int request_folder_open(int base_fd, const char *path, bool make)
{
    int fd;

    if (make && mkdirat(base_fd, path, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* The size, or a negative errno. What is larger than `capacity` is none of ours: -EBADMSG. */
static int read_file(int folder_fd, const char *name, void *buffer, size_t capacity)
{
    _cleanup_close_ int fd =
        openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    ssize_t size;

    if (fd < 0)
        return errno == ELOOP ? -EBADMSG : -errno;
    if (fstat(fd, &info) < 0)
        return -errno;
    if (!S_ISREG(info.st_mode) || (uintmax_t)info.st_size > capacity)
        return -EBADMSG;
    size = read(fd, buffer, capacity);
    return size < 0 ? -errno : (int)size;
}

static int write_file(int folder_fd, const char *name, const struct line *text)
{
    char temporary[NAME_SIZE + sizeof(TEMPORARY_SUFFIX)];
    struct line l = line_make(temporary, sizeof(temporary));
    _cleanup_close_ int fd = -1;
    ssize_t written;

    CHECK(!text->cut);
    line_addf(&l, "%s" TEMPORARY_SUFFIX, name);
    fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    written = write(fd, text->buffer, text->length);
    if (written < 0 || fsync(fd) < 0)
        return -errno;
    if ((size_t)written != text->length)
        return -ENOSPC;
    return renameat(folder_fd, temporary, folder_fd, name) < 0 || fsync(folder_fd) < 0 ? -errno : 0;
}

int request_read(int folder_fd, enum request_kind kind, struct request *ret, struct failure *f)
{
    char name[NAME_SIZE], bytes[REQUEST_SIZE_MAX];
    struct request request;
    int r;

    make_name(kind, "", name);
    r = read_file(folder_fd, name, bytes, sizeof(bytes));
    if (r == -ENOENT)
        return r;
    if (r < 0 && r != -EBADMSG)
        return fail(f, r, "read", name);
    r = r < 0 ? failure_set(f, CODE_REQUEST_FORM, r, "'%s' is no file of a request", name)
              : request_parse(bytes, (size_t)r, &request, f);
    if (r == 0 && request.kind != kind)
        r = failure_set(f, CODE_REQUEST_FORM, -EBADMSG, "'%s' holds a request of another kind",
                        name);
    if (r == 0)
        *ret = request;
    return r;
}

int request_write(int folder_fd, const struct request *r, struct failure *f)
{
    char name[NAME_SIZE], bytes[REQUEST_SIZE_MAX];
    struct line l = line_make(bytes, sizeof(bytes));
    int result;

    make_name(r->kind, "", name);
    request_format(r, &l);
    result = write_file(folder_fd, name, &l);
    return result < 0 ? fail(f, result, "write", name) : 0;
}

int request_remove(int folder_fd, enum request_kind kind, struct failure *f)
{
    char name[NAME_SIZE];

    make_name(kind, "", name);
    if (unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT)
        return fail(f, -errno, "remove", name);
    return fsync(folder_fd) < 0 ? fail(f, -errno, "remove", name) : 0;
}

int request_result_read(int folder_fd, enum request_kind kind, struct request_result *ret)
{
    char name[NAME_SIZE], bytes[REQUEST_RESULT_SIZE_MAX];
    struct request_result result;
    int r;

    make_name(kind, RESULT_SUFFIX, name);
    r = read_file(folder_fd, name, bytes, sizeof(bytes));
    if (r < 0 || request_result_parse(bytes, (size_t)r, &result) < 0 || result.request.kind != kind)
        return -ENOENT;
    *ret = result;
    return 0;
}

int request_result_write(int folder_fd, const struct request_result *result, struct failure *f)
{
    char name[NAME_SIZE], bytes[REQUEST_RESULT_SIZE_MAX];
    struct line l = line_make(bytes, sizeof(bytes));
    int r;

    make_name(result->request.kind, RESULT_SUFFIX, name);
    request_result_format(result, &l);
    r = write_file(folder_fd, name, &l);
    return r < 0 ? fail(f, r, "write the result of", name) : 0;
}
