/* Whole files and folders. Paths are used as given; nothing here follows input from a network.
 * Failures carry CODE_IO (CODE_NO_SPACE for ENOSPC) and name the path. Everything blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"

/* Fills *f for errno value `error` on `path` ("cannot VERB 'PATH'") and returns -error. */
int file_failure(struct failure *f, int error, const char *verb, const char *path);

/* Reads a whole file of at most `limit` bytes. *ret_bytes is allocated (one zero byte is appended
 * behind the content) and freed by the caller. -ENOENT is returned as such; -ERANGE above the
 * limit. */
MUST_USE int file_read(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size,
                       struct failure *f);

/* Replaces or makes `path` with this content: temporary file beside it, fsync, rename. */
MUST_USE int file_write(const char *path, const void *bytes, size_t size, mode_t mode,
                        struct failure *f);

/* Copies a file: reflink where the filesystem can, holes are kept. The target is replaced by
 * rename. */
MUST_USE int file_copy(const char *from, const char *to, mode_t mode, struct failure *f);

/* Makes `path` and its missing parents (mode 0755 less umask). Existing is fine. */
MUST_USE int file_make_folders(const char *path, struct failure *f);

/* Makes the folder that holds `path`. */
MUST_USE int file_make_parent(const char *path, struct failure *f);

/* When this returns, what was made, renamed or removed in the folder that holds `path` is on the
 * disk, and the disk's own cache is flushed. file_write() alone leaves open which of the two
 * contents a power cut leaves. */
MUST_USE int file_sync_parent(const char *path, struct failure *f);

/* Removes a file or a whole tree; never follows links out of it. A missing path is fine. */
MUST_USE int file_remove_tree(const char *path, struct failure *f);

bool file_exists(const char *path);

/* Calls `each` for every entry of a folder, sorted by name (byte order), "." and ".." left out.
 * Stops at the first non-zero result and returns it. */
typedef int (*file_each)(const char *folder, const char *name, void *context, struct failure *f);
MUST_USE int file_list(const char *folder, file_each each, void *context, struct failure *f);
