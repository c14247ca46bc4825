/* EFI variables through efivarfs.
 *
 * A variable is a file `<name>-<GUID>` whose content is four bytes of attributes (little endian)
 * and the value (Linux: Documentation/filesystems/efivarfs.rst). Every write is one write(2), which
 * the kernel turns into one SetVariable(). Variables that the kernel does not know to be harmless
 * carry the immutable flag, which has to go first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define EFIVARS_FOLDER "/sys/firmware/efi/efivars"

/* Every variable of Broch lives under this GUID, made for it by chance. */
#define EFIVARS_GUID_BROCH "2701dbe1-5606-4235-8274-e56a055bfa6e"

/* Starts of each slot since the last verdict, and which of them failed: src/boot/attempts.h. */
#define EFIVARS_ATTEMPTS "BrochAttempts"
/* Why the last start failed: at most EFIVARS_REASON_MAX bytes of text. Anybody who can write EFI
 * variables can write it, so it is a hint for people and decides nothing. */
#define EFIVARS_REASON "BrochReason"
enum { EFIVARS_REASON_MAX = 256 };

/* The largest value that is read or written here. */
enum { EFIVARS_VALUE_MAX = 4096 };

/* Firmware's own (UEFI 2.10, 3.3): SecureBoot and SetupMode, one byte each. */
#define EFIVARS_GUID_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
/* The Boot Loader Interface of systemd: LoaderDevicePartUUID. */
#define EFIVARS_GUID_LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* Reads the value of a variable (without its attributes) into `buffer`. `folder_fd` is the mounted
 * efivarfs. Returns the size, -ENOENT when there is no such variable, -ERANGE when it is larger
 * than the buffer, -EBADMSG when the file is too short to be a variable, or a negative errno. */
MUST_USE int efivars_read(int folder_fd, const char *name, const char *guid, void *buffer,
                          size_t capacity);

/* Calls `visit` with the name of each variable of this GUID, in no order, and stops at the first
 * result that is not zero, which it returns. Changes that `visit` makes may or may not be seen.
 * Never allocates. */
typedef int (*efivars_visit)(const char *name, void *context);
MUST_USE int efivars_list(int folder_fd, const char *guid, efivars_visit visit, void *context);

/* Makes or replaces a variable of the boot manager (EFIVARS_GUID_GLOBAL: BootOrder, BootNext,
 * Boot####) of 1 to EFIVARS_VALUE_MAX bytes, and reads it back. Flash wears out: what is there
 * already is not written again. Returns 0; -EIO when something else is read than was written;
 * -ENOSPC when the firmware's store is full; or another negative errno. */
MUST_USE int efivars_write_global(int folder_fd, const char *name, const void *bytes, size_t size);

/* Removes such a variable; one that is not there is fine. */
MUST_USE int efivars_remove_global(int folder_fd, const char *name);

/* Makes or replaces a non-volatile variable of ours (EFIVARS_GUID_BROCH) that is visible at boot
 * and at run time. The value has at most EFIVARS_REASON_MAX bytes and at least one. Returns 0 or a
 * negative errno (-ENOSPC when the firmware's store is full). */
MUST_USE int efivars_write(int folder_fd, const char *name, const void *bytes, size_t size);

/* Removes a variable of ours; one that is not there is fine. Returns 0 or a negative errno. */
int efivars_remove(int folder_fd, const char *name);

/* Hands a signed value (EFI_VARIABLE_AUTHENTICATION_2 and content) to the firmware, which checks
 * it: one of the variables of Secure Boot's keys, replaced, or added to with `append`. Returns 0;
 * -EACCES when the firmware does not take the signature; -ENOMEM; or another negative errno. */
MUST_USE int efivars_write_signed(int folder_fd, const char *name, const char *guid, bool append,
                                  const void *bytes, size_t size);
