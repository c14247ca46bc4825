/* Which drivers the devices that are already there ask for. The kernel writes an alias for each
 * device into a file of sysfs ("pci:v00001AF4d00001041sv..."); many devices share one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

enum {
    COLDPLUG_ALIASES_MAX = 4096, /* different ones; a large server has some hundreds */
    COLDPLUG_ALIAS_MAX = 2048,   /* bytes; an input device may have more than 1,000 */
    COLDPLUG_DEPTH_MAX = 32,     /* folders below the root: buses behind bridges behind hubs */
};

/* Whether a machine waits for the device: disks, networks, the buses behind which they hide, and
 * keyboards. Everything else (processor features, sensors, sound) may come a little later. */
bool coldplug_is_urgent(const char *alias);

/* A set of aliases: those that were asked for once. */
struct coldplug_set;

MUST_USE struct coldplug_set *coldplug_set_new(void);

/* Accepts NULL; returns NULL. */
struct coldplug_set *coldplug_set_free(struct coldplug_set *set);

/* Adds an alias: 1 when it is new, 0 when it was there; -ENOSPC, -ENOMEM. */
MUST_USE int coldplug_set_add(struct coldplug_set *set, const char *alias);

/* Called for each alias that is new to the set. A non-zero result ends the walk. */
typedef int (*coldplug_each)(const char *alias, void *context);

/* Walks over all devices below `root` ("/sys/devices"), in the order of the kernel's folders, never
 * through links. What vanishes or cannot be read on the way is left out: a device that goes is none
 * of ours. Returns 0, the first non-zero result of `each`, or a negative errno with the failure. */
MUST_USE int coldplug_walk(const char *root, struct coldplug_set *set, coldplug_each each,
                           void *context, struct failure *f);
