#include "node/syslog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/number.h"

static char buffer[SYSLOG_LINE_MAX];

static const char *word(const char *bytes, size_t size, uint32_t pid)
{
    const struct syslog_sender sender = { .uid = 1000, .pid = pid };
    struct line l = line_make(buffer, sizeof(buffer));
    struct syslog_message message;

    syslog_parse(bytes, size, &message);
    syslog_word(&message, &sender, &l);
    assert_false(l.cut);
    return buffer;
}

static void test_messages(void **state)
{
    static const struct {
        const char *message, *line;
    } cases[] = {
        /* As glibc writes it, and as its senders leave parts out. */
        { "<38>Nov 25 08:55:48 sshd[42]: Accepted publickey",
          "auth.info sshd[42] uid=1000: Accepted publickey" },
        { "<38>Nov  5 08:55:48 sshd: x", "auth.info sshd uid=1000 pid=42: x" },
        { "<13>logger: a: b", "user.notice logger uid=1000 pid=42: a: b" },
        { "<0>x[42]:y", "kern.emerg x[42] uid=1000: y" },
        { "<191>x[41]: y", "local7.debug x[41] uid=1000 pid=42: y" },
        { "no more than text", "user.notice - uid=1000 pid=42: no more than text" },
        { "", "user.notice - uid=1000 pid=42: " },
        /* What only looks like a head is text. */
        { "<192>x: y", "user.notice - uid=1000 pid=42: <192>x: y" },
        { "<01>x: y", "user.notice - uid=1000 pid=42: <01>x: y" },
        { "<>x: y", "user.notice - uid=1000 pid=42: <>x: y" },
        { "<13", "user.notice - uid=1000 pid=42: <13" },
        { "<13>x[0x1]: y", "user.notice - uid=1000 pid=42: x[0x1]: y" },
        { "<13>x[42: y", "user.notice - uid=1000 pid=42: x[42: y" },
        { "<13>x[42] y", "user.notice - uid=1000 pid=42: x[42] y" },
        { "<13>: y", "user.notice - uid=1000 pid=42: : y" },
        { "<13>two words: y", "user.notice - uid=1000 pid=42: two words: y" },
        { "<13>Nov 25 08-55-48 x: y", "user.notice - uid=1000 pid=42: Nov 25 08-55-48 x: y" },
        /* One line, whatever is in it. */
        { "<13>x: one\ntwo\n\n", "user.notice x uid=1000 pid=42: one\\ntwo" },
        { "<13>x: a\tb\033[2Jc\177", "user.notice x uid=1000 pid=42: a b\\x1b[2Jc\\x7f" },
        { "<13>x: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
          "user.notice x uid=1000 pid=42: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "<13>x: \xc2\x9b", "user.notice x uid=1000 pid=42: \\xc2\\x9b" },
        { "<13>x: \xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
          "user.notice x uid=1000 pid=42: "
          "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xe2\\x82" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(word(cases[i].message, strlen(cases[i].message), 42), cases[i].line);
    assert_string_equal(word("<13>x: y\0\n\0", 11, 42), "user.notice x uid=1000 pid=42: y");
    assert_string_equal(word("<13>x: a\0b", 10, 42), "user.notice x uid=1000 pid=42: a\\x00b");
}

/* The longest line that a datagram can become fits. */
static void test_longest(void **state)
{
    static char message[SYSLOG_MESSAGE_MAX];

    (void)state;
    memset(message, 1, sizeof(message));
    assert_true(strlen(word(message, sizeof(message), UINT32_MAX)) > 4 * SYSLOG_MESSAGE_MAX - 1);
    /* A tag ends somewhere. */
    memset(message, 'a', sizeof(message));
    message[SYSLOG_TAG_MAX] = ':';
    assert_non_null(strstr(word(message, SYSLOG_TAG_MAX + 2, 1), " uid=1000 pid=1: a"));
    message[SYSLOG_TAG_MAX] = 'a';
    message[SYSLOG_TAG_MAX + 1] = ':';
    assert_non_null(strstr(word(message, SYSLOG_TAG_MAX + 3, 1), "- uid=1000 pid=1: aaa"));
}

static const char *word_record(const char *bytes)
{
    struct line l = line_make(buffer, sizeof(buffer));
    struct syslog_record record;

    if (syslog_parse_record(bytes, strlen(bytes), &record) < 0)
        return NULL;
    syslog_word_record(&record, &l);
    return buffer;
}

static void test_records(void **state)
{
    static const char *const bad[] = {
        "",          "6",         "6,1",       "6,1,2", "6,1,2,-",  "6,1;2,-;x",
        "x,1,2,-;y", "6,x,2,-;y", "6,1,x,-;y", ",,,;",  "6,,2,-;x", "-1,1,2,-;x",
    };

    (void)state;
    assert_string_equal(word_record("6,339,5140900,-;NET: Registered\n"),
                        "kern.info kernel 5.140900: NET: Registered");
    assert_string_equal(word_record("4,1,2,c,more=1;a;b\n SUBSYSTEM=pci\n DEVICE=+pci:0\n"),
                        "kern.warning kernel 0.000002: a;b");
    assert_string_equal(word_record("12,1,1000000,-;"), "user.warning kernel 1.000000: ");
    assert_string_equal(word_record("9999,1,0,-;x\033"), "other.debug kernel 0.000000: x\\x1b");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(word_record(bad[i]));
}

static void test_flood(void **state)
{
    const uint64_t interval = NS_PER_S / SYSLOG_PER_SECOND;
    struct syslog_rate rate = { 0 };
    uint64_t now = 5 * NS_PER_S;

    (void)state;
    for (unsigned i = 0; i < SYSLOG_BURST; i++)
        assert_true(syslog_rate_allows(&rate, now));
    assert_false(syslog_rate_allows(&rate, now));
    assert_false(syslog_rate_allows(&rate, now + interval - 1));
    assert_int_equal(rate.dropped, 2);
    assert_true(syslog_rate_allows(&rate, now + interval));
    assert_false(syslog_rate_allows(&rate, now + interval));
    /* In the long run, one in each interval. */
    for (unsigned i = 2; i < 1000; i++) {
        assert_true(syslog_rate_allows(&rate, now + i * interval));
        assert_false(syslog_rate_allows(&rate, now + i * interval));
    }
    /* After a silence there is a whole burst again, and no more. */
    now += 3600 * NS_PER_S;
    for (unsigned i = 0; i < SYSLOG_BURST; i++)
        assert_true(syslog_rate_allows(&rate, now));
    assert_false(syslog_rate_allows(&rate, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
