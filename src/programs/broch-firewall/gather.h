/* What the firewall opens: the ports that services declare and those that the configuration adds.
 */
#pragma once

#include "node/config.h"
#include "node/firewall.h"
#include "work/manifest.h"

struct openings {
    struct firewall_opening list[FIREWALL_OPENINGS_MAX];
    size_t count;
};

/* Where the names of the image's services stand: one per line. */
#define GATHER_LIST_PATH "/usr/lib/broch/services.list"

struct gather_paths {
    const char *list;
    struct service_folders folders;
};

/* Called for a service that is left out because its manifest cannot be read: it does not run
 * either, so its ports stay closed. */
typedef void (*gather_complaint)(const struct failure *f);

/* Fills *ret: the services of the list, then those of the machine's folder, then what the
 * configuration allows. A service that is disabled, or whose condition is not met, opens nothing.
 * Returns 0 or a negative errno with the failure: a list that cannot be read, too many openings. */
MUST_USE int gather_openings(const struct gather_paths *paths, const struct config *config,
                             gather_complaint complain, struct openings *ret, struct failure *f);
