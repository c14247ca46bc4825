/* A kernel of our own, compiled from Debian's source (the tree TREE_KERNEL) with the fragments of
 * kernel/. */
#pragma once

#include "base/failure.h"

struct build;

/* Its release, "6.12.1-broch"; freed by the caller. CODE_LOCK_STALE when the lock of kernel/ names
 * no source. */
MUST_USE int kernel_own_release(const struct build *build, char **ret, struct failure *f);

/* Name of the package with the source. */
#define KERNEL_OWN_PACKAGE "linux-source-6.12"

/* Adds what the kernel is made of to the inputs of build->kernel. */
MUST_USE int kernel_own_inputs(struct build *build, struct failure *f);

/* Makes the outputs of the step "kernel" in `folder`. CODE_KERNEL_OPTION, CODE_STEP_FAILED. */
MUST_USE int kernel_own_make(const struct build *build, const char *folder, struct failure *f);
