#include "vm/usernet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char table[] =
    "Hub -1 (network):\r\n"
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
    "  TCP[ESTABLISHED]   22       127.0.0.1 55555       10.0.2.15    80     0     0\r\n"
    "  TCP[HOST_FORWARD]  16       127.0.0.1 40123       10.0.2.15    22     0     0\r\n"
    "  UDP[HOST_FORWARD]  17       127.0.0.1 40124       10.0.2.15    22     0     0\r\n"
    "  TCP[HOST_FORWARD]  18       127.0.0.1 70000       10.0.2.15    81     0     0\r\n"
    "  TCP[HOST_FORWARD]  18       127.0.0.1 40125       10.0.2.15    82     0     0\r\n"
    "  TCP[HOST_FORWARD]  18       127.0.0.1\r\n";

static void test_ports(void **state)
{
    static const struct {
        struct vm_forward forward;
        int result;
        uint16_t port;
    } cases[] = {
        { { .guest_port = 22 }, 0, 40123 },
        { { .udp = true, .guest_port = 22 }, 0, 40124 },
        { { .guest_port = 82 }, 0, 40125 },
        { { .guest_port = 80 }, -ENOENT, 0 }, /* a connection, no forward */
        { { .guest_port = 81 }, -ENOENT, 0 }, /* no port of any host */
        { { .udp = true, .guest_port = 82 }, -ENOENT, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint16_t port = 0;

        assert_int_equal(usernet_find_port(table, &cases[i].forward, &port), cases[i].result);
        assert_int_equal(port, cases[i].port);
    }
}

static void test_nothing(void **state)
{
    const struct vm_forward forward = { .guest_port = 22 };
    uint16_t port = 7;

    (void)state;
    assert_int_equal(usernet_find_port("", &forward, &port), -ENOENT);
    assert_int_equal(usernet_find_port("\n\n \n", &forward, &port), -ENOENT);
    assert_int_equal(port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
