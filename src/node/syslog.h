/* The two logs that a machine's programs write to, as one line per message. Pure.
 *
 * syslog(3) sends datagrams to /dev/log in the form of RFC 3164, as glibc writes it:
 *
 *     "<" priority ">" [ month " " day " " time " " ] tag [ "[" pid "]" ] ": " text
 *
 * Everything but the text may be missing. The kernel's records, one for each read of /dev/kmsg
 * (Documentation/ABI/testing/dev-kmsg):
 *
 *     priority "," sequence "," microseconds "," flags [ "," ... ] ";" text "\n"
 *     [ " " key "=" value "\n" ] ...
 *
 * Whatever the bytes are, the line that is made of them is printable UTF-8 without a newline, so
 * that no message can pretend to be another one or speak to a terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/line.h"

enum {
    SYSLOG_MESSAGE_MAX = 8192, /* bytes of a datagram; what is longer is cut */
    SYSLOG_RECORD_MAX = 8192,  /* of a kernel record: more than the kernel makes */
    SYSLOG_TAG_MAX = 48,
    /* A line may need four bytes for one. */
    SYSLOG_LINE_MAX = 4 * SYSLOG_MESSAGE_MAX + 256,
};

/* Views into the message. */
struct syslog_message {
    unsigned priority; /* facility * 8 + severity */
    const char *tag;   /* tag_length 0: it has none */
    size_t tag_length;
    uint64_t pid; /* as the sender says; 0: it does not */
    const char *text;
    size_t text_length;
};

/* Who sent it, as the kernel says. */
struct syslog_sender {
    uint32_t uid;
    uint32_t pid;
};

/* Takes a datagram apart; every one can be. Zero bytes and newlines at its end are left out. */
void syslog_parse(const char *bytes, size_t size, struct syslog_message *ret);

struct syslog_record {
    unsigned priority;
    uint64_t sequence;
    uint64_t time_us; /* since the kernel started */
    const char *text;
    size_t text_length;
};

/* Takes a record apart. Returns 0 or -EBADMSG. */
MUST_USE int syslog_parse_record(const char *bytes, size_t size, struct syslog_record *ret);

/* "auth.info sshd[123] uid=0: text", with a number that the sender did not say itself, or said
 * otherwise than the kernel, as "pid=124". */
void syslog_word(const struct syslog_message *message, const struct syslog_sender *sender,
                 struct line *l);

/* "kern.warning kernel 12.345678: text" */
void syslog_word_record(const struct syslog_record *record, struct line *l);

/* --- Floods --- */

/* A sender may burst, and then go on at a rate; what is more is dropped and counted. */
enum { SYSLOG_BURST = 500, SYSLOG_PER_SECOND = 100 };

struct syslog_rate {
    uint64_t full_ns; /* when the burst is whole again */
    uint64_t dropped; /* since it was last told */
};

/* Whether a message at `now_ns` is let through; a refused one is counted. Time does not go back. */
MUST_USE bool syslog_rate_allows(struct syslog_rate *rate, uint64_t now_ns);
