#include "sys/attribute.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/number.h"

static ssize_t read_again(int fd, void *buffer, size_t size)
{
    ssize_t n;

    do
        n = read(fd, buffer, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int attribute_read(int folder_fd, const char *path, void *buffer, size_t capacity)
{
    _cleanup_close_ int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *bytes = buffer;
    size_t size = 0;

    CHECK(capacity > 0 && capacity <= INT_MAX);
    if (fd < 0)
        return -errno;
    while (size < capacity) {
        ssize_t n = read_again(fd, bytes + size, capacity - size);

        if (n < 0)
            return (int)n;
        if (n == 0) {
            bytes[size] = '\0';
            return (int)size;
        }
        size += (size_t)n;
    }
    return -ERANGE;
}

int attribute_read_line(int folder_fd, const char *path, char *buffer, size_t capacity)
{
    int size = attribute_read(folder_fd, path, buffer, capacity);

    if (size > 0 && buffer[size - 1] == '\n')
        buffer[--size] = '\0';
    return size;
}

int attribute_read_number(int folder_fd, const char *path, uint64_t limit, uint64_t *ret)
{
    char text[32];
    int r = attribute_read_line(folder_fd, path, text, sizeof(text));

    return r < 0 ? r : number_parse(text, (size_t)r, limit, ret);
}

int attribute_read_at(int fd, uint64_t offset, void *ret, size_t size)
{
    char *bytes = ret;
    size_t done = 0;

    if (offset > INT64_MAX - size)
        return -ERANGE;
    while (done < size) {
        ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        done += (size_t)n;
    }
    return 0;
}
