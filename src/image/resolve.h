/* Turns a package list into a lock: asks apt, with an empty system and the archives' signed
 * indexes, which packages it would install. apt checks the archive's signature; the lock takes over
 * its SHA-256. Nothing is installed and nothing of the host's apt is changed. */
#pragma once

#include "base/failure.h"
#include "image/lock.h"

/* `packages` is the list of a profile (essential packages come by themselves), `kernel` "none" or
 * "debian", `date` now in Unix seconds. CODE_DOWNLOAD, CODE_SCHEMA (apt knows no such package; its
 * words are in the log). */
MUST_USE int resolve_packages(const char *const *packages, size_t count, const char *kernel,
                              uint64_t date, struct lock *ret, struct failure *f);

/* Parses one line of `apt-get --print-uris`: 'ADDRESS' FILE SIZE SHA256:HEX. -EBADMSG. Pure.
 * `bases` are the archives' addresses by enum lock_archive; an address under neither is refused. */
MUST_USE int resolve_parse_line(const char *line, size_t length, const char *const bases[static 2],
                                struct lock_package *ret);
