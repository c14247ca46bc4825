/* What a guest wrote to a disk, in its order: the log of QEMU's driver blklogwrites, whose form is
 * that of Linux' dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).
 *
 *   superblock  one sector: magic, version, number of entries (all 64 bits, little endian), size of
 *               a sector (32 bits)
 *   entries     each one sector: first sector, number of sectors, flags, length of the data
 *               (64 bits each); then the data, unless the entry discards
 *
 * A disk whose power failed right behind entry n holds what it held before, and entries 0 to n. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum {
    WRITE_LOG_SECTOR = 512, /* the only size that we ask QEMU for */
    WRITE_LOG_ENTRIES_MAX = 1 << 20,
};

enum write_log_flag {
    WRITE_LOG_FLUSH = 1,
    WRITE_LOG_FUA = 2,
    WRITE_LOG_DISCARD = 4,
    WRITE_LOG_MARK = 8,
};

struct write_log_entry {
    uint64_t sector; /* of the disk */
    uint64_t count;  /* sectors */
    uint64_t flags;
    uint64_t data; /* where its data begins in the log's file */
};

struct write_log {
    int fd;
    struct write_log_entry *entries;
    size_t count;
};

#define WRITE_LOG_NONE                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* --- Pure parts --- */

/* Whether this is the first sector of a log with sectors of WRITE_LOG_SECTOR bytes. */
bool write_log_is_super(const uint8_t bytes[static WRITE_LOG_SECTOR]);

/* Reads the entry whose header begins at `at` of a log of `size` bytes. Returns 1 and where the
 * next one begins, 0 at the end of the log (nothing, or zeros, or data that was not written any
 * more), -EBADMSG for what no disk of less than 2^63 bytes has. */
MUST_USE int write_log_parse(const uint8_t bytes[static WRITE_LOG_SECTOR], uint64_t at,
                             uint64_t size, struct write_log_entry *ret, uint64_t *ret_next);

/* --- Files --- */

/* Opens a log that nobody writes any more. -EBADMSG, -ERANGE over WRITE_LOG_ENTRIES_MAX; released
 * by write_log_done(). CODE_IO. */
MUST_USE int write_log_open(const char *path, struct write_log *ret, struct failure *f);
void write_log_done(struct write_log *log);
#define _cleanup_write_log_ __attribute__((cleanup(write_log_done)))

/* Does to the disk (a raw file, open for writing) what the entries from..to-1 did. What was
 * discarded stays as it was: a disk may do either, and old bytes are the worse. */
MUST_USE int write_log_apply(const struct write_log *log, size_t from, size_t to, int disk_fd,
                             struct failure *f);

/* The same for the first `sectors` sectors of one entry: the power failed within it. */
MUST_USE int write_log_apply_torn(const struct write_log *log, size_t index, uint64_t sectors,
                                  int disk_fd, struct failure *f);
