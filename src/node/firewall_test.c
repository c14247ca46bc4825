#include "node/firewall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Golden: every line of the whole, so that an opening too many is seen here. */
static const char expected[] =
    "table inet broch {}\n"
    "delete table inet broch\n"
    "table inet broch {\n"
    "\tcounter refused {}\n"
    "\n"
    "\tchain input {\n"
    "\t\ttype filter hook input priority filter; policy drop;\n"
    "\t\tct state { established, related } accept\n"
    "\t\tiif \"lo\" accept\n"
    "\t\tct state invalid counter name \"refused\" drop\n"
    "\t\tip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
    " accept\n"
    "\t\tip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report,"
    " mld2-listener-report } accept\n"
    "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem,"
    " echo-request } accept\n"
    "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request }"
    " accept\n"
    "\t\tudp sport 67 udp dport 68 accept\n"
    "\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n"
    "\t\ttcp dport 22 accept comment \"ssh\"\n"
    "\t\tip saddr 10.0.0.0/8 udp dport 5000-5010 accept comment \"configuration\"\n"
    "\t\tip6 saddr fd00::/8 tcp dport 65535 accept comment \"configuration\"\n"
    "\t\tcounter name \"refused\"\n"
    "\t}\n"
    "\n"
    "\tchain forward {\n"
    "\t\ttype filter hook forward priority filter; policy drop;\n"
    "\t}\n"
    "}\n";

static const struct firewall_opening openings[] = {
    { .first = 22, .last = 22, .owner = "ssh" },
    { .is_udp = true,
      .first = 5000,
      .last = 5010,
      .source = "10.0.0.0/8",
      .owner = "configuration" },
    { .first = 65535,
      .last = 65535,
      .source = "fd00::/8",
      .source_is_ipv6 = true,
      .owner = "configuration" },
};

static void test_ruleset(void **state)
{
    _cleanup_text_ struct text ruleset = TEXT_INIT;

    (void)state;
    firewall_render(openings, ARRAY_SIZE(openings), &ruleset);
    assert_int_equal(text_status(&ruleset), 0);
    assert_string_equal(text_string(&ruleset), expected);
}

/* Without openings the same, less three lines: nothing else decides what is let in. */
static void test_no_openings(void **state)
{
    _cleanup_text_ struct text ruleset = TEXT_INIT;
    const char *from = strstr(expected, "\t\ttcp dport 22");
    const char *to = strstr(expected, "\t\tcounter name \"refused\"\n");

    (void)state;
    firewall_render(NULL, 0, &ruleset);
    assert_int_equal(ruleset.length, strlen(expected) - (size_t)(to - from));
    assert_memory_equal(text_string(&ruleset), expected, (size_t)(from - expected));
    assert_string_equal(text_string(&ruleset) + (from - expected), to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ruleset),
        cmocka_unit_test(test_no_openings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
