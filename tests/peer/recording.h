/* What a liveness core was told and what it did, in order: written beside a real run, read by
 * `broch-sim replay`. The core is a pure function of its start and its events, so the same events
 * must give the same effects, byte for byte.
 *
 * A recording is a start and then records; all numbers are little endian:
 *
 *   start   = "BROCHREC" salt[16] id(u64) seed(u64) incarnation(u32) proofs(u16) capacity(u16)
 *             now_ns(u64) count(u16) id(u64)[count]
 * The first effects are those of the start: a deadline, and what was signed. Then come events, each
 * followed by what the signer said meanwhile and by its effects.
 *
 *   record  = tag(u8) size(u32) value[size]
 *   'E'     = kind(u8) now_ns(u64) from(u16) received_ns(u64) root(u64) bytes[...]   an event
 *   'S'     = signature[64]      what the signer gave while the next effects were made
 *   'V'     = good(u8)           what checking a signature gave, likewise
 *   'F'     = result(u32, errno) persist(u8) incarnation(u32) deadline_ns(u64)
 *             changes(u16) { slot(u16) standing(u8) incarnation(u32) }
 *             sends(u16) { to(u16) size(u16) bytes[size] }                           effects */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/siphash.h"
#include "org/swim.h"

enum { RECORDING_NODES_MAX = 256, RECORDING_EFFECTS_MAX = 64 * 1024 };

struct recording_start {
    uint8_t salt[SIPHASH_KEY_SIZE];
    uint64_t id, seed;
    uint32_t incarnation;
    uint16_t proofs, capacity;
    uint64_t now_ns;
    uint16_t count;
    uint64_t ids[RECORDING_NODES_MAX];
};

struct record {
    uint8_t tag;
    struct cursor value; /* into the bytes of the recording */
};

/* Writers return false when the file did not take it. */
bool recording_put_start(FILE *file, const struct recording_start *start);
bool recording_put(FILE *file, uint8_t tag, const void *value, size_t size);
bool recording_put_event(FILE *file, const struct swim_event *event);

/* The value of an 'F' record; returns its size. */
size_t recording_effects(int result, const struct swim_effects *effects,
                         uint8_t ret[static RECORDING_EFFECTS_MAX]);

/* Readers return 0, or -EBADMSG for what is no recording. recording_next() returns 1, and 0 at the
 * end; a record that is cut off at the end, because the process was killed, is that end. */
MUST_USE int recording_take_start(struct cursor *c, struct recording_start *ret);
MUST_USE int recording_next(struct cursor *c, struct record *ret);
MUST_USE int recording_take_event(const struct record *record, struct swim_event *ret);
