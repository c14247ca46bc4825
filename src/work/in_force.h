/* What holds for a running service, asked from the kernel and not from its manifest: for `broch
 * service describe`, and for the table in docs/hardening.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "base/text.h"

enum { IN_FORCE_TEXT_SIZE = 64 };

struct in_force {
    uint64_t uid;
    uint64_t capabilities; /* effective ones, bit by number */
    uint64_t bounding;     /* what it could ever have */
    bool no_new_privileges;
    uint64_t filters;                   /* of system calls */
    char profile[IN_FORCE_TEXT_SIZE];   /* "broch-time (enforce)", "unconfined" */
    bool own_root;                      /* a mount namespace that is not PID 1's */
    bool own_network;                   /* the same for the network */
    char memory[IN_FORCE_TEXT_SIZE];    /* bytes, or "max": as the control group has it */
    char tasks[IN_FORCE_TEXT_SIZE];     /* processes and threads, or "max" */
    char oom_score[IN_FORCE_TEXT_SIZE]; /* -1000 (never) to 1000 (first) */
};

/* Takes the fields out of the text of /proc/PID/status. Returns 0, or -EBADMSG when one is missing
 * (*ret is then undefined). Pure. */
MUST_USE int in_force_parse_status(const char *text, struct in_force *ret);

/* Asks for one process of the service `name`. Needs root. Returns 0; -ENOENT when it has ended. */
MUST_USE int in_force_read(const char *name, pid_t pid, struct in_force *ret, struct failure *f);

/* Adds the names of a set of capabilities with spaces between: "none", "all", or names. */
void in_force_add_capabilities(uint64_t set, struct text *t);

/* Adds a table in Markdown of all services that run, sorted by name. */
MUST_USE int in_force_add_table(struct text *t, struct failure *f);
