/* The machine's firewall as a ruleset of nftables. Pure: openings in, text out.
 *
 * One table of our own, replaced in one transaction; tables of others are left alone. What comes in
 * is dropped unless it belongs to a connection that we know, comes over the loopback, is one of the
 * ICMP messages or DHCP answers without which a host has no network, or goes to an opening. What
 * goes out is open, what would pass through is dropped. The drops are counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { FIREWALL_OPENINGS_MAX = 512, FIREWALL_SOURCE_SIZE = 64, FIREWALL_OWNER_SIZE = 32 };

#define FIREWALL_TABLE   "broch"
#define FIREWALL_COUNTER "refused"

struct firewall_opening {
    bool is_udp;
    uint16_t first, last;              /* ports; equal for one; never 0 */
    char source[FIREWALL_SOURCE_SIZE]; /* an address or a prefix; "" for everybody */
    bool source_is_ipv6;
    char owner[FIREWALL_OWNER_SIZE]; /* who asked: letters, digits, '-' and '.' */
};

/* Appends the ruleset. The text is what `nft -f` takes; the openings stand in it in their order. */
void firewall_render(const struct firewall_opening *openings, size_t count, struct text *ruleset);
