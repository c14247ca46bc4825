/* The hardware watchdog. Once opened it resets the machine unless somebody speaks to it within its
 * timeout. It is closed without the magic character, so it stays armed across a hand-over. */
#pragma once

#include "base/check.h"

struct watchdog {
    int fd;             /* the caller closes it; -1 when there is none */
    unsigned timeout_s; /* what the device really took */
    char identity[33];  /* the driver's words, printable */
};

/* Opens `path` and arms it with about `timeout_s` seconds. Returns 0, -ENOENT when there is no
 * watchdog, or another negative errno. */
MUST_USE int watchdog_open(const char *path, unsigned timeout_s, struct watchdog *ret);

/* Starts its time anew. Nothing to do for a machine without one. */
void watchdog_keep_alive(const struct watchdog *w);
