#include "work/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Reads the end of the file; *ret_size may be less than wanted when the file was cut meanwhile. */
static int read_end(int fd, char **ret_bytes, size_t *ret_size)
{
    _cleanup_free_ char *bytes = NULL;
    struct stat status;
    size_t size = 0, wanted;
    ssize_t got = 1;

    if (fstat(fd, &status) < 0)
        return -errno;
    wanted = status.st_size < TAIL_BYTES_MAX ? (size_t)status.st_size : TAIL_BYTES_MAX;
    bytes = malloc(wanted + 1);
    if (!bytes)
        return -ENOMEM;
    while (size < wanted && got > 0) {
        got = pread(fd, bytes + size, wanted - size, status.st_size - (off_t)wanted + (off_t)size);
        if (got < 0)
            return -errno;
        size += (size_t)got;
    }
    *ret_bytes = take_ptr(bytes);
    *ret_size = size;
    return 0;
}

/* Where the last `count` lines begin. */
static size_t find_start(const char *bytes, size_t size, size_t count)
{
    size_t start = size;

    if (start > 0 && bytes[start - 1] == '\n')
        start--; /* of the last line */
    while (start > 0 && (bytes[start - 1] != '\n' || --count > 0))
        start--;
    return start;
}

int tail_read(const char *path, size_t count, tail_line each, void *context, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    _cleanup_free_ char *bytes = NULL;
    size_t size = 0, at;
    int lines = 0, r;

    if (fd < 0)
        return failure_set(f, CODE_IO, -errno, "cannot open '%s'", path);
    r = read_end(fd, &bytes, &size);
    if (r < 0)
        return failure_set(f, CODE_IO, r, "cannot read '%s'", path);
    for (at = count > 0 ? find_start(bytes, size, count) : size; at < size; lines++) {
        const char *newline = memchr(bytes + at, '\n', size - at);
        size_t length = newline ? (size_t)(newline - bytes) - at : size - at;

        each(bytes + at, length, context);
        at += length + 1;
    }
    return lines;
}
