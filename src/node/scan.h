/* The scan directory of s6-svscan, made on a tmpfs from the read-only service directories of the
 * image: s6-supervise writes into its service directory. */
#pragma once

#include "base/failure.h"
#include "node/order.h"

#define SCAN_SOURCE "/usr/lib/broch/s6"
#define SCAN_TARGET "/run/service"

enum {
    SCAN_DEPTH_MAX = 4,    /* a service directory, its data/, and what lies in that */
    SCAN_ENTRIES_MAX = 64, /* per folder */
    SCAN_FILE_SIZE_MAX = 65536,
};

/* Copies each listed service: folders, regular files with their modes, symbolic links as they are;
 * anything else is an error (-EINVAL), as is what is over a limit (-ERANGE). A service that cannot
 * be copied is reported through `complain` and left out: the others still run. Also makes
 * .s6-svscan with links to the program that takes the machine down. Returns an error only when the
 * scan directory is of no use at all. */
typedef void (*scan_complaint)(const struct failure *f);
MUST_USE int scan_make(const char *source, const char *target, const struct order *order,
                       scan_complaint complain, struct failure *f);
