/* The boots of this machine, one line each, in /var/log/broch/boots: it outlives a boot where /var
 * does, and tells which lines of the logs are of which boot.
 *
 *     boot = id SP seconds SP generation LF
 *
 * `id` is the kernel's boot id (a UUID), `seconds` the wall clock at the start of user space in
 * seconds since 1970, `generation` the name of what was booted. The last line is the running boot.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

#define BOOTS_PATH "/var/log/broch/boots"

enum {
    BOOTS_KEPT_MAX = 64,
    BOOTS_ID_SIZE = 37,
    BOOTS_GENERATION_SIZE = 64,
    BOOTS_FILE_SIZE_MAX = 16 * 1024,
};

struct boot {
    char id[BOOTS_ID_SIZE];
    uint64_t seconds;
    char generation[BOOTS_GENERATION_SIZE];
};

/* Parses one line without its newline. Returns 0 or -EBADMSG. */
MUST_USE int boots_parse_line(const char *text, size_t length, struct boot *ret);

/* The file's new content: the good lines of the old one, the last BOOTS_KEPT_MAX - 1 of them, and
 * this boot. A boot that is there already is not added again. */
void boots_add(const char *old, size_t size, const struct boot *boot, struct text *ret);

/* Notes the running boot in the file. */
MUST_USE int boots_note(const char *generation, struct failure *f);
