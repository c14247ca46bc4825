/* Puts the tar of a system image together: the packages' root, cleaned, under layers of our own.
 *
 * Later layers win over earlier ones and all of them over the packages; a folder that exists on
 * both sides keeps the packages' owner and mode, and a layer's file or link in the place of a
 * folder hides all below it. A layer's folder in the place of a package's link is refused: it would
 * take away what the link led to (a file for bin/ belongs under usr/bin/). Everything from a layer
 * belongs to root, files are 0755 or 0644 by their executable bit, folders 0755, and every time is
 * the build's date, so that the result depends on contents alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/text.h"

struct compose;

/* `date` is the time of every entry. NULL when out of memory. */
MUST_USE struct compose *compose_make(uint64_t date);
void compose_free(struct compose *compose);

/* Adds what lies under a folder of the host at `target` ("usr/lib/modules/..." or "" for the root).
 * Nothing is read yet but names. */
MUST_USE int compose_add_folder(struct compose *compose, const char *source, const char *target,
                                struct failure *f);

/* Adds one file with this content (copied). */
MUST_USE int compose_add_file(struct compose *compose, const char *target, const void *bytes,
                              size_t size, struct failure *f);

/* What a file's content becomes on the way: appended to *ret. `path` is without leading slash. */
struct compose_file {
    const char *path;
    const uint8_t *bytes;
    size_t size;
};
typedef int (*compose_rewrite)(const struct compose_file *file, void *context, struct text *ret,
                               struct failure *f);

/* Asks for the user database (passwd, group, shadow and gshadow of /etc), whether a package or a
 * layer has it, and for layer files whose name ends in ".in" (which lose that ending). */
void compose_set_rewrite(struct compose *compose, compose_rewrite rewrite, void *context);

/* Asks for the owner of each entry of the packages' root: a new number for a user's or a group's.
 */
typedef uint32_t (*compose_owner)(uint32_t id, bool is_group, const void *context);
void compose_set_owner(struct compose *compose, compose_owner owner, const void *context);

/* Reads one file of a packages' root by its path (without leading slash) before anything is
 * written: appended to *ret. -ENOENT when it is not there, -ERANGE over a mebibyte. */
MUST_USE int compose_read_root(const char *root_tar, const char *path, struct text *ret,
                               struct failure *f);

/* Sets *ret_found in compose_write() when there is a program at `path` (without leading slash): an
 * executable file, or a link. Both are borrowed until then. */
MUST_USE int compose_watch(struct compose *compose, const char *path, bool *ret_found,
                           struct failure *f);

/* Reads `root_tar`, writes `tar`. */
MUST_USE int compose_write(struct compose *compose, const char *root_tar, const char *tar,
                           struct failure *f);
