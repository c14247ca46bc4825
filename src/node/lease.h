/* What the networks told this machine, gathered from dhcpcd's reports. Pure: a report and the facts
 * so far go in, the new facts, the resolver's file and the list of time servers come out.
 *
 * A report is a set of variables (dhcpcd-run-hooks(8)): `interface`, `protocol` (link, dhcp, ra,
 * dhcp6, ...), `if_up`, `if_down` and what the protocol brought. What a network says is checked
 * like any other input; what is no address and no domain is left out.
 *
 * The facts, /run/broch/network.json:
 *
 *     {"order": ["eth0"],
 *      "interfaces": {"eth0": {"carrier": "up", "leases": {"dhcp": {
 *          "reason": "BOUND", "addresses": ["10.0.2.15/24"], "routers": ["10.0.2.2"],
 *          "dns": ["10.0.2.3"], "search": ["example.org"], "ntp": [], "lease_seconds": 86400}}}}}
 */
#pragma once

#include <json-c/json.h>

#include "base/schema.h"
#include "base/text.h"

enum {
    LEASE_INTERFACES_MAX = 64,
    LEASE_VALUES_MAX = 16,          /* of one kind in one report */
    LEASE_ROUTERS_MAX = 8,          /* advertising routers on one link */
    LEASE_NAMESERVERS_MAX = 3,      /* resolv.conf(5): MAXNS */
    LEASE_SEARCH_MAX = 6,           /* the former bound of resolv.conf, still that of others */
    LEASE_FACTS_SIZE_MAX = 1 << 20, /* of the file */
};

/* The value of a variable, or NULL; getenv() with a context. */
typedef const char *(*lease_get)(const char *name, void *context);

/* The facts of nothing; NULL when out of memory. */
MUST_USE json_object *lease_facts_new(void);

/* Facts that were written before; NULL when the text is none. */
MUST_USE json_object *lease_facts_parse(const char *text);

/* Applies one report to the facts. Returns 0, -EBADMSG for a report without a proper interface or
 * protocol, -ENOSPC for one interface too many; the facts are then unchanged. */
MUST_USE int lease_apply(json_object *facts, lease_get get, void *context);

/* The content of resolv.conf(5). Servers and domains that the configuration names replace what the
 * networks say. */
void lease_word_resolver(json_object *facts, const struct schema_list *dns,
                         const struct schema_list *search, struct text *t);

/* Time servers that DHCP named, as chrony's `server` lines. */
void lease_word_time_sources(json_object *facts, struct text *t);
