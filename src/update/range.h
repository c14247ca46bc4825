/* Bytes of an address from an offset on. An address is a path of a file, or an http or https URL.
 *
 * Over HTTP redirects lead to http and https only (from https to https only) and are five at most;
 * a server that sends nothing for a while is given up; one that does not know ranges is read from
 * its start and what comes before the offset is thrown away. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

enum { RANGE_STALL_SECONDS = 30, RANGE_ADDRESS_MAX = 1024 };

struct range_request {
    const char *address;
    uint64_t offset;
    uint64_t limit;         /* after so many bytes it is done; UINT64_MAX: all there are */
    unsigned stall_seconds; /* 0: RANGE_STALL_SECONDS */
};

/* Gets the bytes in order. A negative errno, with *f set, ends the reading. */
typedef int (*range_sink)(const uint8_t *bytes, size_t size, void *context, struct failure *f);

struct range_result {
    uint64_t done;    /* bytes that the sink took */
    bool total_known; /* whether the whole size was told */
    uint64_t total;
    bool parts; /* the source can begin in the middle */
};

/* Reads until the limit or the end. Returns 0; -ENOENT when there is nothing (CODE_UPDATE_SOURCE);
 * -ERANGE when it is shorter than the offset; -EAGAIN when the network failed on the way, so that
 * another try from where it got to makes sense (both CODE_UPDATE_DOWNLOAD); another errno when it
 * does not. *ret is set in every case. */
MUST_USE int range_read(const struct range_request *request, range_sink sink, void *context,
                        struct range_result *ret, struct failure *f);

/* True for "http://..." and "https://..." in any case of letters. */
bool range_is_url(const char *address);

/* The address for people: without a password, and cut before a '?'. Valid until the next call. */
const char *range_shown(const char *address);
