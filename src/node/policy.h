/* The AppArmor profiles of the services, which the factory compiled (src/image/policy.c). */
#pragma once

#include "base/failure.h"

#define POLICY_PATH      "/usr/lib/broch/apparmor.policy"
#define POLICY_LOAD_PATH "/sys/kernel/security/apparmor/.load"

/* Hands the whole file to the kernel, which takes all of its profiles or none. Returns 0 or a
 * negative errno with the failure (CODE_POLICY, or CODE_IO for the file). */
MUST_USE int policy_load(const char *path, const char *load_path, struct failure *f);
