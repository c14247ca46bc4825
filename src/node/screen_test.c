#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/screen.h"

#define K "\x1b[K"

static struct screen_facts facts;
static struct snapshot services;

static void add_service(const char *name, enum snapshot_state state, const char *reason)
{
    struct snapshot_service *service = &services.services[services.count++];

    (void)snprintf(service->name, sizeof(service->name), "%s", name);
    (void)snprintf(service->reason, sizeof(service->reason), "%s", reason);
    service->state = state;
}

static int start(void **state)
{
    (void)state;
    services.count = 0;
    facts = (struct screen_facts){ .name = "tower",
                                   .generation = "v0.1.0-node-x86_64",
                                   .slot = "A",
                                   .secure_boot = "on",
                                   .tpm = "off",
                                   .ready = true,
                                   .services = &services };
    return 0;
}

static void test_golden(void **state)
{
    static const char expected[] =
        "\x1b[H\x1b[1mtower  ready\x1b[0m" K "\r\n" K "\r\n"
        "generation  v0.1.0-node-x86_64" K "\r\n"
        "slot        A, Secure Boot on, TPM off" K "\r\n"
        "addresses   eth0 192.0.2.7/24" K "\r\n"
        "            eth0 2001:db8::7/64" K "\r\n"
        "not ready   time backoff: exited 3 times" K "\r\n" K "\r\n"
        "log in      ssh admin@ADDRESS, or Alt-F2 for a console here" K "\r\n"
        "            DEVELOPMENT IMAGE: everybody knows its password" K "\r\n" K "\r\n"
        "events      two" K "\r\n"
        "            three" K "\x1b[J";
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    add_service("ssh", SNAPSHOT_READY, "");
    add_service("time", SNAPSHOT_BACKOFF, "exited 3 times");
    facts.known_password = true;
    (void)snprintf(facts.addresses[0], SCREEN_TEXT_SIZE, "eth0 192.0.2.7/24");
    (void)snprintf(facts.addresses[1], SCREEN_TEXT_SIZE, "eth0 2001:db8::7/64");
    facts.address_count = 2;
    (void)snprintf(facts.events[0], SCREEN_TEXT_SIZE, "one");
    (void)snprintf(facts.events[1], SCREEN_TEXT_SIZE, "two");
    (void)snprintf(facts.events[2], SCREEN_TEXT_SIZE, "three");
    facts.event_count = 3;
    screen_render(&facts, 80, 13, &t);
    assert_string_equal(text_string(&t), expected);
}

static void test_little_known(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    facts.services = NULL;
    facts.ready = false;
    screen_render(&facts, 80, 24, &t);
    assert_non_null(strstr(text_string(&t), "tower  starting"));
    assert_non_null(strstr(text_string(&t), "services    not known"));
    assert_non_null(strstr(text_string(&t), "addresses   none"));
    assert_non_null(strstr(text_string(&t), "ssh is off until admin.ssh_keys is set"));
}

/* Whatever the facts hold, the terminal sees no byte of a control sequence but our own. */
static void test_no_sequence_gets_through(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;
    const char *p;

    (void)state;
    facts.name = "a\x1b[2Jb\x9b"
                 "31m\r\n\x07";
    add_service("x\x1b]0;title\x07", SNAPSHOT_FAILED, "\x1b[5mblink\x1b(0");
    (void)snprintf(facts.addresses[0], SCREEN_TEXT_SIZE, "\x1b[H\x08\x7f\xc2\x9b");
    facts.address_count = 1;
    (void)snprintf(facts.events[0], SCREEN_TEXT_SIZE, "\x1bP0;0|\x1b\\");
    facts.event_count = 1;
    screen_render(&facts, 200, 40, &t);
    for (p = text_string(&t); *p; p++) {
        bool is_ours = strncmp(p, "\x1b[H", 3) == 0 || strncmp(p, K, 3) == 0 ||
                       strncmp(p, "\x1b[J", 3) == 0 || strncmp(p, "\x1b[1m", 4) == 0 ||
                       strncmp(p, "\x1b[0m", 4) == 0;

        if (*p == '\x1b')
            assert_true(is_ours);
        else if (*p == '\r')
            assert_int_equal(p[1], '\n');
        else
            assert_true((*p >= ' ' && *p <= '~') || *p == '\n');
    }
    assert_ptr_equal(strstr(text_string(&t) + 1, "\x1b[H"), NULL);
}

/* Never more lines than the terminal has, never more columns, for every size. */
static void test_every_size(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        add_service("a-service-with-a-name", SNAPSHOT_FAILED,
                    "a reason that is long enough to cut");
    for (int i = 0; i < SCREEN_EVENTS_MAX; i++)
        (void)snprintf(facts.events[i], SCREEN_TEXT_SIZE, "event %d", i);
    facts.event_count = SCREEN_EVENTS_MAX;
    for (unsigned height = 0; height < 60; height++) {
        for (unsigned width = 0; width < 130; width += 7) {
            unsigned lines = 1, column = 0, widest = 0;
            _cleanup_text_ struct text t = TEXT_INIT;

            screen_render(&facts, width, height, &t);
            for (const char *p = text_string(&t); *p; p++) {
                if (*p == '\x1b') {
                    p += strcspn(p, "HKJm"); /* the sequence's last byte */
                    continue;
                }
                lines += *p == '\n';
                column = *p < ' ' ? 0 : column + 1;
                widest = column > widest ? column : widest;
            }
            assert_true(widest <= (width < SCREEN_WIDTH_MIN ? SCREEN_WIDTH_MIN : width));
            assert_true(lines <= (height < SCREEN_HEIGHT_MIN ? SCREEN_HEIGHT_MIN : height));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_golden, start),
        cmocka_unit_test_setup(test_little_known, start),
        cmocka_unit_test_setup(test_no_sequence_gets_through, start),
        cmocka_unit_test_setup(test_every_size, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
