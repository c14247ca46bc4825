/* Where things stand: org > region > site > rack > node > controller > disk. The org is known from
 * elsewhere; below it a place is a path of labels, from the widest to the narrowest:
 *
 *   path  = label *5("/" label); region, site, rack, node, controller, disk, in this order
 *   label = 1 to 32 characters of a-z, 0-9 and "-", and neither the first nor the last is "-"
 *
 * An admin writes the first three into a member record (field 6): exactly those. What lies below
 * its rack a node tells in its own leaves. Data only: nothing is placed by it yet. */
#pragma once

#include <stddef.h>

#include "base/check.h"

/* A path of n labels names a thing of level n. */
enum topology_level {
    TOPOLOGY_ORG,
    TOPOLOGY_REGION,
    TOPOLOGY_SITE,
    TOPOLOGY_RACK,
    TOPOLOGY_NODE,
    TOPOLOGY_CONTROLLER,
    TOPOLOGY_DISK,
};

enum {
    TOPOLOGY_LABEL_MAX = 32,
    TOPOLOGY_DEPTH_MAX = TOPOLOGY_DISK,
    TOPOLOGY_TEXT_MAX = TOPOLOGY_DEPTH_MAX * (TOPOLOGY_LABEL_MAX + 1) - 1,
};

struct topology {
    enum topology_level level;
    char labels[TOPOLOGY_DEPTH_MAX][TOPOLOGY_LABEL_MAX + 1]; /* `level` of them, region first */
};

/* Reads a path of any level but the org's. Returns 0, or -EBADMSG (output untouched). */
MUST_USE int topology_parse(const char *text, size_t size, struct topology *ret);

/* The same for the labels of a member record: region, site and rack, no more and no less. */
MUST_USE int topology_parse_labels(const char *text, size_t size, struct topology *ret);

/* The narrowest level that two things share: what fails together with it takes both. Two racks of
 * one name at two sites are two racks. */
enum topology_level topology_shared(const struct topology *a, const struct topology *b);
