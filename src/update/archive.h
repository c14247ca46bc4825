/* A release in one file, `broch-<version>-<profile>-<arch>.broch`: an uncompressed tar (POSIX
 * ustar, so any tar reads it) with exactly these members in this order, and nothing behind its end:
 *
 *     generation.json, generation.json.minisig, linux.efi, system.erofs
 *
 * The manifest comes first, so a reader knows what it wants before it takes the large files, and
 * follows a stream without going back. Each header has one form for its member, size and date (mode
 * 0644, no owner): another one is refused, so no two programs can read different members out of one
 * file. The signed manifest has the sizes and sums; nothing here is believed without it.
 *
 * Sans-I/O: bytes in, events out. Never allocates. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { ARCHIVE_BLOCK = 512, ARCHIVE_END_SIZE = 2 * ARCHIVE_BLOCK };

enum archive_member {
    ARCHIVE_MANIFEST,
    ARCHIVE_SIGNATURE,
    ARCHIVE_UKI,
    ARCHIVE_SYSTEM,
    ARCHIVE_MEMBER_MAX_
};

/* "generation.json", ... */
const char *archive_member_name(enum archive_member member);

/* The most bytes that a member may have. */
uint64_t archive_member_limit(enum archive_member member);

/* Writes the header of a member. `date` is Unix seconds; sizes and dates have 33 bits. */
void archive_header(enum archive_member member, uint64_t size, uint64_t date,
                    uint8_t ret[static ARCHIVE_BLOCK]);

/* How many zeros follow the bytes of a member. */
size_t archive_padding(uint64_t size);

/* The size of the whole file for members of these sizes. */
uint64_t archive_size(const uint64_t sizes[static ARCHIVE_MEMBER_MAX_]);

enum archive_kind {
    ARCHIVE_NEED,  /* all bytes were taken; give more */
    ARCHIVE_ENTRY, /* a member begins: `member`, `size` */
    ARCHIVE_DATA,  /* `bytes` and `count` of the member, a view into what was given */
    ARCHIVE_END,   /* the end; nothing may follow */
};

struct archive_event {
    enum archive_kind kind;
    enum archive_member member;
    uint64_t size;
    const uint8_t *bytes;
    size_t count;
};

enum archive_state {
    ARCHIVE_IN_HEADER,
    ARCHIVE_IN_DATA,
    ARCHIVE_IN_PADDING,
    ARCHIVE_IN_TRAILER,
    ARCHIVE_ENDED,
};

struct archive {
    enum archive_state state;
    uint8_t block[ARCHIVE_BLOCK];
    size_t filled;      /* of block */
    uint64_t offset;    /* in the file: of the next byte that is wanted */
    unsigned member;    /* that comes next, or whose bytes come */
    uint64_t data_left; /* of the member */
    size_t zeros_left;  /* of padding or trailer */
};

#define ARCHIVE_INIT                                                                               \
    {                                                                                              \
        .state = ARCHIVE_IN_HEADER                                                                 \
    }

/* Takes bytes until there is something to tell. *ret_used says how many were taken; the caller
 * gives the rest again. Returns 0, or -EBADMSG for anything but the form above; the reader is of no
 * more use then. */
MUST_USE int archive_feed(struct archive *archive, const uint8_t *bytes, size_t size,
                          size_t *ret_used, struct archive_event *ret_event);

/* The caller takes the rest of the member's bytes elsewhere: the next byte that is wanted is
 * archive->offset, behind them. Right after ARCHIVE_ENTRY or ARCHIVE_DATA. */
void archive_skip(struct archive *archive);
