/* Every state that a power cut may leave, looked at one after the other (startable.h).
 *
 * Behind each entry of a record that wrote something there is a state. A write to the disk also
 * leaves one with half of it. The disk has a volatile cache: with each change of a variable, and
 * with each flush before it is done, there is one in which nothing behind the flush before reached
 * the disk; and with each flush one in which some of it did, by a fixed choice of chance. The flash
 * with the variables has no cache.
 *
 * These functions fail the running test by themselves. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "recorded.h"
#include "startable.h"

enum { WALK_MOMENTS_MAX = 128, WALK_WRONGS_MAX = 16 };

/* A prefix from which on something else would start, or would be there to start. */
struct walk_moment {
    size_t count; /* entries */
    struct startable start;
    struct startable_slot slots[STARTABLE_SLOTS];
};

struct walk_counts {
    size_t whole; /* prefixes */
    size_t torn;  /* the last write by half */
    size_t lost;  /* nothing behind the last flush */
    size_t some;  /* a part of it */
};

/* A file that is mapped. */
struct walk_view {
    int fd;
    uint8_t *bytes;
    size_t size;
};

struct walk {
    const struct recorded *record;
    const struct startable_generation *generations;
    struct walk_view prefix, flushed, flash;         /* disk as written, as flushed; variables */
    struct startable_disk prefix_disk, flushed_disk; /* over the first two */
    size_t at, epoch; /* entries that the prefix has, and that the flushed disk has */
    struct rng rng;
    struct walk_counts counts;
    size_t moment_count, wrong_count;
    struct walk_moment moments[WALK_MOMENTS_MAX];
};

/* Begins behind the first `from` entries, in the folder of the record. */
void walk_start(struct walk *walk, const struct recorded *record,
                const struct startable_generation *generations, size_t from);

/* Goes on to the state behind the first `to` entries. What is wrong is printed and counted. */
void walk_to(struct walk *walk, size_t to);
void walk_end(struct walk *walk);
