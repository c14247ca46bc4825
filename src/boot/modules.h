/* The table of kernel modules, /broch/modules. Pure; the grammar is in initrd.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "boot/initrd.h"

/* A view into the parsed text; not terminated. */
struct modules_view {
    const char *text;
    uint32_t length;
};

struct modules_alias {
    struct modules_view pattern;
    struct modules_view names; /* parted by single spaces */
    uint32_t literal_length;   /* of the pattern's start that has nothing to expand */
};

/* Large; belongs into static memory. */
struct modules_table {
    size_t load_count;
    size_t alias_count;
    struct modules_view loads[INITRD_LOAD_COUNT_MAX];
    struct modules_alias aliases[INITRD_ALIAS_COUNT_MAX];
};

/* Parses the text, which must outlive the table. Returns 0, or -EBADMSG with CODE_BOOT_MODULE and
 * the line's number in *f; the table is then empty. */
MUST_USE int modules_parse(const void *bytes, size_t size, struct modules_table *ret,
                           struct failure *f);

/* Called for every module to load; the name is terminated and valid during the call. */
typedef int (*modules_each)(const char *name, void *context);

/* Calls `each` for what is always loaded. Stops at the first result that is not 0 and returns it.
 */
int modules_each_load(const struct modules_table *table, modules_each each, void *context);

/* Calls `each` for the modules of every alias that matches `modalias`, in the order of the file.
 * Stops at the first result that is not 0 and returns it. */
int modules_each_match(const struct modules_table *table, const char *modalias, modules_each each,
                       void *context);
