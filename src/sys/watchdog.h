/* The hardware watchdog. Once opened it resets the machine unless somebody speaks to it within its
 * timeout. It is closed without the magic character, so it stays armed across a hand-over. */
#pragma once

#include <stdbool.h>

#include "base/check.h"

struct watchdog {
    int fd;             /* the caller closes it; -1 when there is none */
    unsigned timeout_s; /* what the device really took */
    char identity[33];  /* the driver's words, printable */
};

/* Opens `path` and arms it with about `timeout_s` seconds. Returns 0, -ENOENT when there is no
 * watchdog, or another negative errno. */
MUST_USE int watchdog_open(const char *path, unsigned timeout_s, struct watchdog *ret);

/* Where the kernel shows watchdogs, and what it does a moment before one of them bites. */
#define WATCHDOG_CLASS       "/sys/class/watchdog"
#define WATCHDOG_GOVERNOR    WATCHDOG_CLASS "/watchdog0/pretimeout_governor"
#define WATCHDOG_GOVERNOR_IS "panic"

/* The firmware's store of a slow machine takes a record of a panic in less, and so does the pause
 * after a panic (panic=5). Timeouts that are not longer have no such moment. */
enum { WATCHDOG_PRETIMEOUT_S = 15 };

/* Makes the kernel panic WATCHDOG_PRETIMEOUT_S before the device would bite, so that a machine that
 * hangs leaves a record of it (pstore) wherever the kernel itself still runs. `governor` is the
 * device's file of that name. To be called again after a new timeout. Returns 0; -ENOENT when the
 * kernel has no such governor, -EOPNOTSUPP or -EINVAL when the device takes no such time, or
 * another negative errno: then the device bites and nothing else. */
MUST_USE int watchdog_panic_before(const struct watchdog *w, const char *governor);

/* True when a watchdog's driver says that the start before this one ended by its bite: i6300esb
 * does, iTCO_wdt and softdog never do. `class` is WATCHDOG_CLASS. */
MUST_USE bool watchdog_has_bitten(const char *class);

/* Starts its time anew. Nothing to do for a machine without one. */
void watchdog_keep_alive(const struct watchdog *w);
