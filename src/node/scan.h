/* The scan directory of s6-svscan, made on a tmpfs with one service in it: the orchestrator, whose
 * service directory is part of the image. All others it makes itself. */
#pragma once

#include "base/failure.h"

#define SCAN_SOURCE "/usr/lib/broch/s6"
#define SCAN_TARGET "/run/service"
#define SCAN_FIRST  "orchestrator"

enum {
    SCAN_DEPTH_MAX = 4,    /* a service directory, its data/, and what lies in that */
    SCAN_ENTRIES_MAX = 64, /* per folder */
    SCAN_FILE_SIZE_MAX = 65536,
};

/* Copies the service: folders, regular files with their modes, symbolic links as they are; anything
 * else is an error (-EINVAL), as is what is over a limit (-ERANGE). Also makes .s6-svscan with
 * links to the program that takes the machine down. */
MUST_USE int scan_make(const char *source, const char *target, const char *name, struct failure *f);
