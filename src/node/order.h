/* The list of services in the order in which they start: /usr/lib/broch/s6/order, one name per
 * line, empty lines and lines that begin with '#' left out. A service runs because it is listed;
 * it stops in reverse. The factory writes this list from the profile's services. */
#pragma once

#include <stddef.h>

#include "base/failure.h"
#include "node/names.h"

#define ORDER_PATH "/usr/lib/broch/s6/order"

enum {
    ORDER_SERVICES_MAX = 64,
    ORDER_FILE_SIZE_MAX = 8192,
};

struct order {
    char names[ORDER_SERVICES_MAX][NAME_SIZE];
    size_t count;
};

/* Returns 0; -EBADMSG for a bad or repeated name or a last line without newline, -ERANGE for too
 * many services; *ret is then undefined. The failure names the line. Never allocates. */
MUST_USE int order_parse(const void *bytes, size_t size, struct order *ret, struct failure *f);

/* Reads and parses the file. */
MUST_USE int order_read(const char *path, struct order *ret, struct failure *f);
