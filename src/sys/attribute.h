/* Small files of sysfs, procfs, efivarfs and the initramfs, read into caller-owned memory: for code
 * that must not allocate. Everything blocks; nothing logs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Reads the whole file `path` (relative to `folder_fd`, AT_FDCWD for the working directory; links
 * are followed, because sysfs is made of them) into `buffer` and appends a zero byte, so at most
 * capacity - 1 bytes are accepted. Returns the size without that zero, -ERANGE when the file is
 * larger, or the negative errno of open or read. */
MUST_USE int attribute_read(int folder_fd, const char *path, void *buffer, size_t capacity);

/* The same for one line of text: the newline at its end is removed. */
MUST_USE int attribute_read_line(int folder_fd, const char *path, char *buffer, size_t capacity);

/* A decimal number, alone on its line. -EBADMSG for anything else, -ERANGE above `limit`. */
MUST_USE int attribute_read_number(int folder_fd, const char *path, uint64_t limit, uint64_t *ret);

/* Reads exactly `size` bytes at `offset`. -ENODATA when the file ends before. */
MUST_USE int attribute_read_at(int fd, uint64_t offset, void *ret, size_t size);
