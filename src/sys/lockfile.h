/* An exclusive lock on a folder, held by an open file. The kernel drops it when the holder ends,
 * however it ends. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"

/* Takes the lock file `path` (made when missing). With `wait` it blocks until the lock is free,
 * otherwise a held lock is -EWOULDBLOCK (with CODE_IO; callers set a code of their own). *ret_fd
 * holds the lock until it is closed. */
MUST_USE int lockfile_take(const char *path, bool wait, int *ret_fd, struct failure *f);
