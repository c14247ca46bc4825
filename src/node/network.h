/* The files that tell the machine of its networks, all made from the facts of lease.h:
 *
 *     /run/broch/net/network.json    the facts; also /run/broch/network.json, a link
 *     /run/broch/net/resolv.conf     where /etc/resolv.conf leads
 *     /run/broch/net/dhcp.sources    time servers, for chrony's `sourcedir`
 *
 * One writer at a time: each call holds a lock. */
#pragma once

#include "node/config.h"
#include "node/lease.h"

#define NETWORK_FOLDER       "/run/broch/net"
#define NETWORK_FACTS_NAME   "network.json"
#define NETWORK_SOURCES_NAME "dhcp.sources"

/* Reads the facts in `folder`, changes them and writes all files anew. `get` and `context` are a
 * report for lease_apply(); without one (NULL) interfaces that are gone are forgotten. Facts that
 * cannot be read are begun anew. Returns 0 or a negative errno with CODE_NETWORK or CODE_IO; a
 * report that is refused changes nothing. */
MUST_USE int network_update(const char *folder, const struct config_network *config, lease_get get,
                            void *context, struct failure *f);
