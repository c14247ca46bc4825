/* The list of services in the order in which they start, each after what it needs, with the time
 * that each gets to stop: /run/broch/order, written by the orchestrator, read by who stops them in
 * reverse. One "NAME" or "NAME MILLISECONDS" per line; empty lines and lines that begin with '#'
 * are left out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "node/names.h"

#define ORDER_PATH "/run/broch/order"

enum {
    ORDER_SERVICES_MAX = 64,
    ORDER_FILE_SIZE_MAX = 8192,
    ORDER_STOP_MS_DEFAULT = 5000,
    ORDER_STOP_MS_MAX = 600 * 1000,
};

struct order {
    char names[ORDER_SERVICES_MAX][NAME_SIZE];
    uint64_t stop_ms[ORDER_SERVICES_MAX];
    size_t count;
};

/* Returns 0; -EBADMSG for a bad or repeated name, a bad time or a last line without newline,
 * -ERANGE for too many services; *ret is then undefined. The failure names the line. Never
 * allocates. */
MUST_USE int order_parse(const void *bytes, size_t size, struct order *ret, struct failure *f);

/* Reads and parses the file. */
MUST_USE int order_read(const char *path, struct order *ret, struct failure *f);
