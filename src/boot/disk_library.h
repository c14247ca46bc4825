/* The functions of disk/volume.h, disk/persist.h and disk/partition_table.h, as they are in the
 * verified root (disk/library.h): here they only pass on. Before disk_library_load() they abort. */
#pragma once

#include "base/check.h"
#include "base/failure.h"

/* Loads them from the system image mounted at `root`. CODE_PERSIST_LIBRARY. */
MUST_USE int disk_library_load(const char *root, check_hook hook, struct failure *f);
