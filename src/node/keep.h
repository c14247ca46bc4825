/* A folder of records that only ever holds the newest few: core dumps and the last words of
 * kernels. */
#pragma once

#include <stddef.h>

#include "base/failure.h"

/* Removes the oldest files of `folder`, by name, until at most `keep` are left. Names begin with
 * what sorts them (a time of fixed width). Folders in it are left alone. Returns 0 or a negative
 * errno with the failure. */
MUST_USE int keep_newest(const char *folder, size_t keep, struct failure *f);
