/* The signed command line. Pure.
 *
 *   cmdline = word *(1*SP word)         printable ASCII, no quotes, INITRD_CMDLINE_MAX bytes
 *
 * Words that start with `broch.` are ours; every one of the keys below stands there exactly once,
 * and there is no other. All other words are the kernel's and are not looked at. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

#define CMDLINE_PREFIX     "broch."
#define CMDLINE_GENERATION "broch.generation" /* 1 to 128 of A-Z a-z 0-9 . _ + ~ - */
#define CMDLINE_PROFILE    "broch.profile"    /* 1 to 32 of a-z 0-9 -, first a letter */
#define CMDLINE_EPOCH      "broch.epoch"      /* decimal, 0 to CMDLINE_EPOCH_MAX */
#define CMDLINE_VERITY     "broch.verity"     /* root hash: 64 lower-case hexadecimal digits */

enum { CMDLINE_GENERATION_MAX = 128, CMDLINE_PROFILE_MAX = 32, CMDLINE_HASH_SIZE = 32 };
#define CMDLINE_EPOCH_MAX 4294967295ull

struct cmdline {
    char generation[CMDLINE_GENERATION_MAX + 1];
    char profile[CMDLINE_PROFILE_MAX + 1];
    uint64_t epoch;
    uint8_t verity[CMDLINE_HASH_SIZE];
};

/* Returns 0, or -EBADMSG with CODE_BOOT_CMDLINE_SYNTAX and the key at fault in *f. */
MUST_USE int cmdline_parse(const char *text, size_t length, struct cmdline *ret, struct failure *f);

/* True when the command line that the kernel runs with is the copy, but for one newline at the end
 * of the former, which procfs adds. */
MUST_USE bool cmdline_same(const char *copy, size_t copy_length, const char *running,
                           size_t running_length);
