/* The words of a manifest that mean something to the kernel, as tables: capabilities and
 * system calls. Pure; the factory checks a manifest's words with the same functions, so that a
 * wrong one stops the build and not a machine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/text.h"

/* The number of a capability by its name without "cap_" in lower case ("net_bind_service"), or
 * -ENOENT. */
MUST_USE int confine_capability_by_name(const char *name);

/* The name of a capability, or NULL for a number that has none. */
const char *confine_capability_name(unsigned capability);

/* --- System calls ---
 *
 * Every service of level "strict" may use the groups that are always allowed; a manifest asks for
 * more by group ("@clock") or by a single call ("ptrace"). A call in no group is not allowed and
 * cannot be asked for. */
struct confine_syscall_group {
    const char *name; /* with its "@" */
    bool always;
    const char *purpose;      /* one sentence, for docs/hardening.md */
    const char *const *calls; /* ends with NULL */
};

extern const struct confine_syscall_group confine_syscall_groups[];
extern const size_t confine_syscall_group_count;

/* The group of this name, or NULL. */
const struct confine_syscall_group *confine_syscall_group_by_name(const char *name);

/* Adds all groups as a table in Markdown. */
void confine_syscall_add_table(struct text *t);

/* True for a group's name and for a call that some group has. */
bool confine_syscall_is_known(const char *name);
