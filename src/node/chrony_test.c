#include "node/chrony.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_configuration(void **state)
{
    char *servers[] = { (char[]){ "ntp.example.org" }, (char[]){ "[fd00::1]:1123" } };
    struct config_time time = { .servers = { .items = servers, .count = 2 }, .rtc_utc = true };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    chrony_render(&time, "/var/lib/time", "/run/broch/net", &t);
    assert_string_equal(text_string(&t),
                        "# Made by broch-time from the configuration, anew at each start.\n"
                        "server ntp.example.org iburst\n"
                        "server fd00::1 port 1123 iburst\n"
                        "sourcedir /run/broch/net\n"
                        "port 0\ncmdport 0\n"
                        "bindcmdaddress /var/lib/time/chronyd.sock\n"
                        "driftfile /var/lib/time/drift\n"
                        "pidfile /\n"
                        "makestep 1 3\n"
                        "rtcsync\n");
    text_clear(&t);
    time = (struct config_time){ .rtc_utc = false };
    chrony_render(&time, "/s", "/d", &t);
    assert_null(strstr(text_string(&t), "rtcsync"));
    assert_null(strstr(text_string(&t), "server "));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_configuration) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
