/* The files inside of a system image or an initrd: a list, sorted by path in byte order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/span.h"
#include "trust/digest.h"

enum { CONTENTS_SHA1_SIZE = 20 };

/* SHA-1 of two byte strings after each other. For documents that demand it, never to decide. */
void contents_sha1(struct span first, struct span second, uint8_t ret[static CONTENTS_SHA1_SIZE]);

struct contents_file {
    char *path; /* without a leading slash; owned */
    char *link; /* where a symbolic link leads, else NULL; owned */
    uint32_t mode, user, group;
    uint64_t size;                    /* of a file; 0 for anything else */
    struct digest digest;             /* of a file; zeros when nobody asked for it */
    uint8_t sha1[CONTENTS_SHA1_SIZE]; /* the same; SPDX wants it */
};

struct contents {
    struct contents_file *files; /* files and links, no folders; owned */
    size_t count, capacity;
    bool hash;
};

#define CONTENTS_INIT                                                                              \
    {                                                                                              \
        .files = NULL                                                                              \
    }

void contents_done(struct contents *c);
#define _cleanup_contents_ __attribute__((cleanup(contents_done)))

/* `hash` wants sums of the files. CODE_ARTIFACT_BAD. */
MUST_USE int contents_of_system(struct span image, bool hash, struct contents *ret,
                                struct failure *f);
MUST_USE int contents_of_initrd(struct span initrd, bool hash, struct contents *ret,
                                struct failure *f);

/* NULL when there is none. Borrowed. */
const struct contents_file *contents_find(const struct contents *c, const char *path);

/* How many bytes all files have. */
uint64_t contents_size(const struct contents *c);

/* What takes the room: files by the folder that a person would name ("usr/bin",
 * "usr/lib/modules"), the largest first. */
struct contents_room {
    char *folder; /* owned */
    uint64_t size;
    size_t count;
};
void contents_rooms_done(struct contents_room *rooms, size_t count);

/* *ret_rooms is released with contents_rooms_done(). */
MUST_USE int contents_rooms(const struct contents *c, struct contents_room **ret_rooms,
                            size_t *ret_count, struct failure *f);
