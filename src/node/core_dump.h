/* What a core dump is kept as, from what the kernel hands to its handler (kernel.core_pattern). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

enum { CORE_ARGUMENTS = 7, CORE_NAME_SIZE = 96 };

struct core_dump {
    uint64_t pid, uid, gid, signal;
    uint64_t time_s;
    bool allowed;              /* the program is dumpable for its user */
    char file[CORE_NAME_SIZE]; /* "<time, ten digits>-<program>-<pid>.core" */
    char program[32];          /* made safe: letters, digits and "._-", others are '_' */
};

/* arguments[] are %P %u %g %s %t %d %e. Returns 0, or -EBADMSG with the failure (CODE_CORE). */
MUST_USE int core_dump_parse(const char *const arguments[static CORE_ARGUMENTS],
                             struct core_dump *ret, struct failure *f);

/* How many bytes one dump may have: a small part of the filesystem that holds them all, and never
 * more than a debugger of a service needs. */
uint64_t core_dump_limit(uint64_t filesystem_size);

enum { CORE_DUMPS_KEPT = 4 };
