/* Loop devices: a file as a read-only block device. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct loop {
    int fd;          /* the block device, open read-only; the caller closes it */
    unsigned number; /* /dev/loop<number> */
    bool direct_io;  /* false: the filesystem refused, pages are cached twice */
};

/* Binds the file `file_fd`, from `offset` on, to a free loop device: read-only, direct I/O where
 * the filesystem can, removed when its last user closes it. Blocks are 4,096 bytes, the size of
 * verity's, so that direct I/O also works on disks that have no smaller ones; a rest of the file
 * below that is not visible. The device keeps its own reference to the file. Returns 0 or a
 * negative errno. */
MUST_USE int loop_attach(int file_fd, uint64_t offset, struct loop *ret);
