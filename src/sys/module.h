/* Kernel modules. */
#pragma once

#include "base/check.h"

/* Loads the plain (uncompressed) module `file`, an entry of the folder `folder_fd`, without
 * parameters. The kernel checks its signature. Returns 0, -EEXIST when it is there already, -ENODEV
 * when the module has found that this machine does not need it, or another negative errno. Blocks
 * for as long as the module's own start does. */
MUST_USE int module_load(int folder_fd, const char *file);
