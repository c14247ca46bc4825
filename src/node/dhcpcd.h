/* From the machine's configuration to dhcpcd's (dhcpcd.conf(5)) and to what dhcpcd leaves to us.
 * Pure.
 *
 * dhcpcd runs DHCP, listens to router advertisements and watches links. Fixed addresses and routes
 * are set by our hook, by ip(8), each time that a link comes up: dhcpcd takes one of each kind at
 * most, and no route of IPv6. */
#pragma once

#include "base/text.h"
#include "node/config.h"

#define DHCPCD_PROGRAM "/usr/sbin/dhcpcd"
#define DHCPCD_HOOK    "/usr/lib/broch/network-hook"
#define DHCPCD_IP      "/usr/bin/ip"

/* Appends the content of dhcpcd.conf. */
void dhcpcd_render(const struct config_network *network, struct text *t);

/* What the configuration says about one interface by name, or NULL. */
const struct config_interface *dhcpcd_find_interface(const struct config_network *network,
                                                     const char *name);

/* The arguments for ip(8) that set address `index` of an interface, and the default route behind
 * the addresses (index == addresses.count, when there is a gateway): words of the configuration and
 * constants, ended by NULL. False when there is no such index. */
enum { DHCPCD_ARGUMENTS_MAX = 10 };
bool dhcpcd_ip_arguments(const struct config_interface *interface, size_t index,
                         const char *ret_arguments[static DHCPCD_ARGUMENTS_MAX]);
