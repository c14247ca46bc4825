/* The part of the encrypted disk that needs large libraries, as one shared object in the system
 * image. Stage 1 loads it from the verified root once that is mounted, which is after the TPM was
 * capped: the initrd is smaller by libcryptsetup, libfdisk and all that they need, and none of that
 * is even there while a secret could be unsealed.
 *
 * The object has its own copies of what it shares with stage 1 (base, sys), which keep no state
 * between them, but for the hook of failed checks: the first member hands stage 1's over. It is
 * part of the same generation, so both always agree about the table. */
#pragma once

#include "base/check.h"
#include "disk/partition_table.h"
#include "disk/persist.h"
#include "disk/volume.h"

#define DISK_LIBRARY_PATH   "/usr/lib/broch/disk.so"
#define DISK_LIBRARY_SYMBOL "disk_library"

struct disk_library {
    check_hook (*set_hook)(check_hook hook);
#define CALL(type, name, parameters, arguments) type(*name) parameters;
#define ACT(name, parameters, arguments)        void(*name) parameters;
#include "disk/library.def"
#undef CALL
#undef ACT
};
