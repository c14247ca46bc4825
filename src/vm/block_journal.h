/* What a machine wrote to several block devices, in the one order in which it did: the journal of a
 * block server (block_server.h). Entries follow each other without a gap, numbers are little
 * endian:
 *
 *     kind    u32
 *     export  u32  which device, by its place in the server's list
 *     offset  u64  bytes
 *     length  u64  bytes
 *     then `length` bytes of data, for BLOCK_JOURNAL_WRITE and BLOCK_JOURNAL_FILE
 *
 * A machine whose power failed right behind entry n left the devices as they were, and entries 0 to
 * n. A device with a volatile cache may miss any of its writes behind its last flush. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum block_journal_kind {
    BLOCK_JOURNAL_WRITE = 1,
    BLOCK_JOURNAL_ZERO,  /* the range became zeros */
    BLOCK_JOURNAL_FLUSH, /* whatever was written to this export by now stays */
    BLOCK_JOURNAL_FILE,  /* what the file that the server watches holds by now */
};

enum {
    BLOCK_JOURNAL_HEAD = 24,
    BLOCK_JOURNAL_SECTOR = 512,
    BLOCK_JOURNAL_ENTRIES_MAX = 1 << 22,
    BLOCK_JOURNAL_WRITE_MAX = 32 << 20, /* the most that one NBD request may carry */
};

struct block_journal_entry {
    enum block_journal_kind kind;
    uint32_t export;
    uint64_t offset;
    uint64_t length;
    uint64_t data; /* where its data begins in the journal's file */
};

struct block_journal {
    int fd;
    struct block_journal_entry *entries;
    size_t count;
};

#define BLOCK_JOURNAL_NONE                                                                         \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* --- Pure parts --- */

void block_journal_encode(const struct block_journal_entry *entry,
                          uint8_t ret[static BLOCK_JOURNAL_HEAD]);

/* Reads the entry whose head begins at `at` of a journal of `size` bytes. Returns 1 and where the
 * next one begins; 0 when the journal ends before the entry does; -EBADMSG for what no server
 * writes. */
MUST_USE int block_journal_parse(const uint8_t bytes[static BLOCK_JOURNAL_HEAD], uint64_t at,
                                 uint64_t size, struct block_journal_entry *ret,
                                 uint64_t *ret_next);

/* --- Files --- */

/* Opens a journal that nobody writes any more; released by block_journal_done(). CODE_IO, -EBADMSG,
 * -ERANGE over BLOCK_JOURNAL_ENTRIES_MAX. */
MUST_USE int block_journal_open(const char *path, struct block_journal *ret, struct failure *f);
void block_journal_done(struct block_journal *journal);
#define _cleanup_block_journal_ __attribute__((cleanup(block_journal_done)))

/* How many entries begin before this byte of the file: what the journal held when it was so long.
 */
size_t block_journal_count_at(const struct block_journal *journal, uint64_t size);

/* Does to the device (open for writing) what the entries from..to-1 did to this export. */
MUST_USE int block_journal_apply(const struct block_journal *journal, uint32_t export, size_t from,
                                 size_t to, int fd, struct failure *f);

/* The same for the bytes from..to-1 of one write. Both lie within its length. */
MUST_USE int block_journal_apply_part(const struct block_journal *journal, size_t index,
                                      uint64_t from, uint64_t to, int fd, struct failure *f);

/* What the watched file held behind the first `count` entries: allocated, freed by the caller.
 * -ENOENT when nothing was seen of it by then. */
MUST_USE int block_journal_file(const struct block_journal *journal, size_t count,
                                uint8_t **ret_bytes, size_t *ret_size, struct failure *f);
