/* A machine's folder: lock, variable store, TPM state, snapshots. */
#pragma once

#include "base/failure.h"
#include "vm/config.h"

/* Makes the folder (0700: the TPM's secrets lie in it) and takes its lock; *ret_fd holds it. */
MUST_USE int vm_folder_lock(const char *folder, int *ret_fd, struct failure *f);

/* Makes what this configuration needs and is not there yet: tpm/, the variable store. A store that
 * was made with other keys is replaced by a new one. */
MUST_USE int vm_folder_prepare(const struct vm_config *config, struct failure *f);

/* Removes what the firmware and the TPM remember: every variable store, and tpm/. */
MUST_USE int vm_folder_forget(const char *folder, struct failure *f);

/* New snapshot files for the disks that want one; what a former start left is removed. */
MUST_USE int vm_folder_make_snapshots(const struct vm_config *config, struct failure *f);
void vm_folder_drop_snapshots(const struct vm_config *config);

/* The last line of a log in the folder, for messages, into `ret_line`; "" when there is none. */
enum { VM_LOG_LINE_MAX = 256 };
void vm_folder_last_line(const char *folder, const char *name,
                         char ret_line[static VM_LOG_LINE_MAX]);
