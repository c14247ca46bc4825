/* Readiness: a service writes a newline to the descriptor that its notification-fd file names, and
 * closes it. Without that s6 restarts it a second later instead of at once. */
#pragma once

#include <stdint.h>

#include "base/options.h"

#define NOTIFY_FD_NONE UINT64_MAX

/* The row of an option table that every service has. `target` is a uint64_t *. */
#define NOTIFY_OPTION(target)                                                                      \
    {                                                                                              \
        "notify-fd", OPTION_NUMBER, target, "FD", "write a newline to FD when ready"               \
    }

/* Tells the supervisor; nothing when `fd` is NOTIFY_FD_NONE or no descriptor. A supervisor that is
 * gone is no reason for a service to fail, so there is no result. */
void notify_ready(uint64_t fd);
