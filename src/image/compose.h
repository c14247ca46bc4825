/* Puts the tar of a system image together: the packages' root, cleaned, under layers of our own.
 *
 * Later layers win over earlier ones and all of them over the packages; a folder that exists on
 * both sides keeps the packages' owner and mode. Everything from a layer belongs to root, files are
 * 0755 or 0644 by their executable bit, folders 0755, and every time is the build's date, so that
 * the result depends on contents alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

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

/* What a file's content becomes on the way, or NULL. The result is freed by the caller of the hook.
 * `path` is without leading slash. */
typedef int (*compose_rewrite)(const char *path, const uint8_t *bytes, size_t size, void *context,
                               uint8_t **ret_bytes, size_t *ret_size, struct failure *f);

/* Asks for /etc/shadow and for layer files whose name ends in ".in" (which lose that ending). */
void compose_set_rewrite(struct compose *compose, compose_rewrite rewrite, void *context);

/* Reads `root_tar`, writes `tar`. */
MUST_USE int compose_write(struct compose *compose, const char *root_tar, const char *tar,
                           struct failure *f);
