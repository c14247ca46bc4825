/* Where a node stands: org > region > site > rack > node > controller > disk. Org and node are
 * known from elsewhere, controller and disk are the node's own to tell; what an admin writes into a
 * member record is the path between:
 *
 *   labels = region "/" site "/" rack; each 1 to 32 characters of a-z, 0-9 and "-", and neither the
 *            first nor the last is "-" */
#pragma once

#include <stddef.h>

#include "base/check.h"

enum { TOPOLOGY_LABEL_MAX = 32, TOPOLOGY_TEXT_MAX = 3 * TOPOLOGY_LABEL_MAX + 2 };

/* From the widest to the narrowest: things of one level share all levels before it. */
enum topology_level {
    TOPOLOGY_ORG,
    TOPOLOGY_REGION,
    TOPOLOGY_SITE,
    TOPOLOGY_RACK,
    TOPOLOGY_NODE,
    TOPOLOGY_CONTROLLER,
    TOPOLOGY_DISK,
};

struct topology {
    char region[TOPOLOGY_LABEL_MAX + 1];
    char site[TOPOLOGY_LABEL_MAX + 1];
    char rack[TOPOLOGY_LABEL_MAX + 1];
};

/* Returns 0, or -EBADMSG (output untouched) for anything but three valid labels. */
MUST_USE int topology_parse(const char *text, size_t size, struct topology *ret);

/* The narrowest level that two nodes share: what fails together with it takes both. Two racks of
 * one name at two sites are two racks. */
enum topology_level topology_shared(const struct topology *a, const struct topology *b);
