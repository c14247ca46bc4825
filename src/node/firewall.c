#include "node/firewall.h"

#include <string.h>

/* Making a table that is there already is no error, so this pair removes the former table, if any,
 * in the same transaction that makes the new one: no packet ever meets a machine without rules. */
static const char head[] =
    "table inet " FIREWALL_TABLE " {}\n"
    "delete table inet " FIREWALL_TABLE "\n"
    "table inet " FIREWALL_TABLE " {\n"
    "\tcounter " FIREWALL_COUNTER " {}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t\tct state { established, related } accept\n"
    "\t\tiif \"lo\" accept\n"
    "\t\tct state invalid counter name \"" FIREWALL_COUNTER "\" drop\n"
    /* RFC 4890, 4.4: without these IPv6 does not work at all. What is of the link alone has not
     * passed a router, which its hop limit shows (RFC 4861, 3.1). */
    "\t\tip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
    " accept\n"
    "\t\tip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report,"
    " mld2-listener-report } accept\n"
    "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem,"
    " echo-request } accept\n"
    "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request }"
    " accept\n"
    /* Answers to a broadcast or multicast belong to no connection that could be known. */
    "\t\tudp sport 67 udp dport 68 accept\n"
    "\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n";

static const char tail[] = "\t\tcounter name \"" FIREWALL_COUNTER "\"\n"
                           "\t}\n"
                           "\n"
                           "\tchain forward {\n"
                           "\t\ttype filter hook forward priority filter; policy drop;\n"
                           "\t}\n"
                           "}\n";

static void add_opening(const struct firewall_opening *o, struct text *ruleset)
{
    CHECK(o->first != 0 && o->first <= o->last);
    text_add(ruleset, "\t\t");
    if (o->source[0] != '\0')
        text_addf(ruleset, "%s saddr %s ", o->source_is_ipv6 ? "ip6" : "ip", o->source);
    text_addf(ruleset, "%s dport %u", o->is_udp ? "udp" : "tcp", o->first);
    if (o->last != o->first)
        text_addf(ruleset, "-%u", o->last);
    text_addf(ruleset, " accept comment \"%s\"\n", o->owner);
}

void firewall_render(const struct firewall_opening *openings, size_t count, struct text *ruleset)
{
    CHECK(count <= FIREWALL_OPENINGS_MAX);
    text_add(ruleset, head);
    for (size_t i = 0; i < count; i++)
        add_opening(&openings[i], ruleset);
    text_add(ruleset, tail);
}
