/* Runs a program inside a tree of another distribution: the place where every tool that touches an
 * artifact lives, so that the host's own versions do not matter.
 *
 * The child gets its own mount, PID, IPC and UTS namespace (and a user namespace unless we are
 * root), a root on tmpfs into which the tree's folders are bound read-only, fresh /proc, the host's
 * /dev and /sys, an empty /tmp and /run, and the caller's binds at any other path. When the child
 * or its parent ends, however, the kernel ends everything that was started inside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

enum { SANDBOX_BINDS_MAX = 16 };

struct sandbox_bind {
    const char *source; /* host path, a file or a folder */
    const char *target; /* absolute path inside; made when missing. NULL: the same as source */
    bool read_only;
};

struct sandbox {
    const char *tree;                             /* absolute path of the unpacked tree */
    struct sandbox_bind binds[SANDBOX_BINDS_MAX]; /* ends at the first without source */
    bool network;  /* keep the host's network; otherwise only a loopback that is down */
    bool many_ids; /* map the user's subordinate ids (newuidmap), for dpkg; root needs none */
};

/* In the child of a fork: enters the sandbox. Does not return to the caller in the processes that
 * only wait; returns 0 in the one that is to exec. On failure returns a negative errno and sets
 * *ret_stage to what failed (static string). `ids_ready` and `ids_done` are the pipe ends of
 * sandbox_map_ids(), or -1; `report_fd` is closed in the waiting processes. */
MUST_USE int sandbox_enter(const struct sandbox *sandbox, int ids_ready, int ids_done,
                           int report_fd, const char **ret_stage);

/* In the parent, for many_ids without root: maps the ranges of /etc/subuid and /etc/subgid for
 * `pid` by newuidmap and newgidmap. */
MUST_USE int sandbox_map_ids(int pid, struct failure *f);

/* Like file_remove_tree(), also for what a killed sandbox with many_ids left behind: files of
 * subordinate ids, which only a user namespace with the same map can remove. */
MUST_USE int sandbox_remove_tree(const char *path, struct failure *f);

/* 0 when this user can make user namespaces (or is root); otherwise CODE_USER_NAMESPACE. */
MUST_USE int sandbox_possible(struct failure *f);
