/* Hardware acceleration, used only where it was seen to boot this kernel: a /dev/kvm that opens
 * says little (nested hosts run plain code but no firmware, others stop at the first odd
 * instruction). */
#pragma once

#include <stdbool.h>

#include "vm/config.h"

enum { VM_ACCEL_REASON_MAX = 256 };

struct vm_accel_choice {
    bool kvm;
    char reason[VM_ACCEL_REASON_MAX]; /* why; "" when the configuration decided */
};

/* Decides for a configuration. With VM_ACCEL_AUTO and a /dev/kvm that opens it looks for a verdict
 * in config->cache (about this boot of the host, this QEMU, this kernel file and this way of
 * booting) and, without one, tries: a throwaway copy of the machine is started under KVM and has
 * 15 s to print its first marker or the kernel's first line. The verdict is kept. Failures are
 * those of the host (no room, no tools); a machine that does not boot is a verdict. */
MUST_USE int vm_accel_choose(const struct vm_config *config, struct vm_accel_choice *ret,
                             struct failure *f);
