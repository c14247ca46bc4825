/* EFI variables through efivarfs.
 *
 * A variable is a file `<name>-<GUID>` whose content is four bytes of attributes (little endian)
 * and the value (Linux: Documentation/filesystems/efivarfs.rst). Every write is one write(2), which
 * the kernel turns into one SetVariable(). Variables that the kernel does not know to be harmless
 * carry the immutable flag, which has to go first. */
#pragma once

#include <stddef.h>

#include "base/check.h"

#define EFIVARS_FOLDER "/sys/firmware/efi/efivars"

/* Every variable of Broch lives under this GUID, made for it by chance. */
#define EFIVARS_GUID_BROCH "2701dbe1-5606-4235-8274-e56a055bfa6e"

/* One byte: starts of stage 1 since the last `broch ready`, see docs/reference/initrd.md. */
#define EFIVARS_ATTEMPTS "BrochAttempts"
/* Why the last start failed: at most EFIVARS_REASON_MAX bytes of text. Anybody who can write EFI
 * variables can write it, so it is a hint for people and decides nothing. */
#define EFIVARS_REASON "BrochReason"
enum { EFIVARS_REASON_MAX = 256 };

/* Firmware's own (UEFI 2.10, 3.3): SecureBoot and SetupMode, one byte each. */
#define EFIVARS_GUID_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
/* The Boot Loader Interface of systemd: LoaderDevicePartUUID. */
#define EFIVARS_GUID_LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* Reads the value of a variable (without its attributes) into `buffer`. `folder_fd` is the mounted
 * efivarfs. Returns the size, -ENOENT when there is no such variable, -ERANGE when it is larger
 * than the buffer, -EBADMSG when the file is too short to be a variable, or a negative errno. */
MUST_USE int efivars_read(int folder_fd, const char *name, const char *guid, void *buffer,
                          size_t capacity);

/* Makes or replaces a non-volatile variable of ours (EFIVARS_GUID_BROCH) that is visible at boot
 * and at run time. The value has at most EFIVARS_REASON_MAX bytes and at least one. Returns 0 or a
 * negative errno (-ENOSPC when the firmware's store is full). */
MUST_USE int efivars_write(int folder_fd, const char *name, const void *bytes, size_t size);

/* Removes a variable of ours; one that is not there is fine. Returns 0 or a negative errno. */
int efivars_remove(int folder_fd, const char *name);
