/* The liveness wire format, version 1; docs/reference/wire.md has every byte.
 *
 * A packet is a sequence of frames: kind (u8: version in the upper two bits, kind in the lower
 * six), length of the value (u8), value. All numbers are little endian. There is one encoding of a
 * frame; a known kind with another length or with a bit set that has no meaning is malformed, and
 * so is the whole packet. Frames of unknown kinds and of other versions are skipped by their
 * length.
 *
 * Who sent a packet is known from the tunnel that it came through and is not in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/cursor.h"

enum {
    WIRE_VERSION = 1,
    WIRE_HEADER_SIZE = 2,
    WIRE_PACKET_MAX = 1200, /* fits an inner MTU of 1280, which WireGuard has everywhere */
    WIRE_SIGNATURE_SIZE = 64,
    WIRE_BUCKETS = 32,
    WIRE_INCARNATION_MAX = 0xffffff,
    WIRE_HEALTH_MAX = 15,
    WIRE_TURN_MAX = 15,
    WIRE_BEAT_PAYLOAD_MAX = 16, /* a beat stays one 124-byte packet inside WireGuard on IPv4 */
};

enum wire_kind {
    WIRE_BEAT = 1,
    WIRE_PROBE = 2,
    WIRE_ANSWER = 3,
    WIRE_CALL = 4,
    WIRE_REPORT = 5,
    WIRE_UNREACHABLE = 6,
    WIRE_SIGNED = 7,
    WIRE_UNSTABLE = 8,
    WIRE_SUMMARY = 9,
    WIRE_HELD = 10,
    WIRE_SUSPECT = 11,
    WIRE_KIND_MAX_
};

/* What a member is held to be; also the order in which one statement beats another of the same
 * incarnation. */
enum wire_standing {
    WIRE_STANDING_ALIVE,
    WIRE_STANDING_UNSTABLE,
    WIRE_STANDING_UNREACHABLE,
    WIRE_STANDING_MAX_
};

/* To an observer: I am here. The next beat to you is the `turn`-th from this one (1..15). */
struct wire_beat {
    uint8_t turn;
    uint8_t health; /* 0 well .. 15: how late the sender's own loop runs */
    uint32_t incarnation;
    uint8_t number;
    uint8_t digest; /* of the sender's view, mixed with `number` */
    uint64_t root;  /* first 8 bytes of the root of the org's state */
};

/* Answer me. This is what I hold you to be. */
struct wire_probe {
    enum wire_standing standing;
    uint32_t incarnation;
};

struct wire_answer {
    uint8_t health; /* as in a beat */
    uint32_t incarnation;
};

/* To another observer of `subject`: its beat is overdue here; probe it over `window_ms`. */
struct wire_call {
    uint64_t subject;
    uint16_t number;
    uint16_t window_ms;
    uint32_t incarnation;
};

/* To the caller: `unanswered` probes had no answer so far (1..4), or, when 0, one was answered. */
struct wire_report {
    uint64_t subject;
    uint16_t number;
    uint8_t unanswered;
};

/* News, passed on over the overlay. */
struct wire_unreachable {
    uint64_t subject;
    uint32_t incarnation;
};

/* What the sender holds, with the subject's own word for the incarnation. Standing alive, it is a
 * refutation. */
struct wire_signed {
    uint64_t subject;
    uint32_t incarnation;
    enum wire_standing standing;
    uint8_t signature[WIRE_SIGNATURE_SIZE]; /* the subject's, over wire_alive_text() */
};

struct wire_unstable {
    uint64_t subject;
    uint32_t incarnation;
};

/* Sums of the sender's view, one for each bucket of members. The receiver sends what it holds in
 * the buckets that differ and, when asked to, its own summary. */
struct wire_summary {
    bool asks;
    uint32_t sums[WIRE_BUCKETS];
};

/* What the sender holds, without proof of the incarnation. No news: the receiver checks. Sent in
 * answer to a summary that differs, and to ask whoever claims more for proof. */
struct wire_held {
    uint64_t subject;
    uint32_t incarnation;
    enum wire_standing standing;
};

/* With random targets only: the accuser found it silent; a verdict follows unless it refutes. */
struct wire_suspect {
    uint64_t subject;
    uint32_t incarnation;
    uint64_t accuser;
};

struct wire_frame {
    enum wire_kind kind;
    union {
        struct wire_beat beat;
        struct wire_probe probe;
        struct wire_answer answer;
        struct wire_call call;
        struct wire_report report;
        struct wire_unreachable unreachable;
        struct wire_signed proved;
        struct wire_unstable unstable;
        struct wire_summary summary;
        struct wire_held held;
        struct wire_suspect suspect;
    };
};

/* A packet under construction in a caller-owned buffer. */
struct wire_writer {
    uint8_t *bytes;
    size_t capacity;
    size_t size;
};

/* Bytes that a frame of this kind takes in a packet. */
size_t wire_frame_size(enum wire_kind kind);

/* Appends a frame. -ENOSPC when it does not fit; nothing is written then. The values must be in
 * range: ranges are checked by CHECK(), since the sender is our own code. */
MUST_USE int wire_put(struct wire_writer *w, const struct wire_frame *frame);

/* Reads the next frame that this version knows: 1 and *ret_frame, 0 at the end of the packet,
 * -EBADMSG when the rest is malformed (*ret_frame is untouched). */
MUST_USE int wire_next(struct cursor *c, struct wire_frame *ret_frame);

/* Looks at a whole packet: 0, or -EBADMSG when it is empty, too long or any part is malformed. */
MUST_USE int wire_check(const uint8_t *bytes, size_t size);

enum { WIRE_ALIVE_TEXT_SIZE = 32 };

/* What the owner signs to say that it is alive at this incarnation: "broch-alive-1" and three zero
 * bytes, the id (u64), the incarnation (u64). */
void wire_alive_text(uint64_t id, uint32_t incarnation,
                     uint8_t ret_text[static WIRE_ALIVE_TEXT_SIZE]);

/* The size on the wire of a payload inside WireGuard: outer headers (28 bytes on IPv4, 48 on IPv6),
 * 32 of WireGuard, and inner IPv6, UDP and payload padded to 16. */
size_t wire_outer_size(size_t payload, bool ipv6);
