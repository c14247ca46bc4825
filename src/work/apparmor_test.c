#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "work/apparmor.h"

static void parse(const char *toml, struct service_manifest *ret)
{
    struct failure f = FAILURE_NONE;

    if (service_manifest_parse("t.toml", "time", toml, strlen(toml), ret, &f) < 0)
        fail_msg("%s", f.text);
}

static const char time_service[] =
    "name = \"time\"\ndescription = \"Keeps the clock\"\ntier = \"node\"\n"
    "run = [\"/usr/sbin/chronyd\", \"-d\"]\nkind = \"daemon\"\nuser = \"_chrony\"\n"
    "[ready]\nkind = \"file\"\npath = \"/run/chrony/pid\"\n"
    "[scratch]\nclass = \"persistent\"\n"
    "[network]\nmode = \"host\"\n"
    "[confine]\ncapabilities = [\"sys_time\", \"net_raw\"]\nwrite = [\"/run/chrony\", "
    "\"/run/a{b}\"]\n"
    "devices = [\"/dev/rtc0\"]\nsyscalls = [\"@clock\", \"@mount\"]\n";

static void test_names(void **state)
{
    struct service_manifest m;
    char name[APPARMOR_NAME_SIZE];

    (void)state;
    parse(time_service, &m);
    apparmor_profile_name(&m, name);
    assert_string_equal(name, "broch-time");
    m.is_machines = true;
    apparmor_profile_name(&m, name);
    assert_string_equal(name, "broch-local");
    service_manifest_done(&m);
}

/* All that depends on the manifest, in full. */
static void test_profile(void **state)
{
    static const char golden[] = "  # What its manifest adds.\n"
                                 "  \"/var/lib/time\" rwkl,\n"
                                 "  \"/var/lib/time/{,**}\" rwkl,\n"
                                 "  \"/run/chrony\" rwkl,\n"
                                 "  \"/run/chrony/{,**}\" rwkl,\n"
                                 "  \"/run/a\\{b\\}\" rwkl,\n"
                                 "  \"/run/a\\{b\\}/{,**}\" rwkl,\n"
                                 "  \"/dev/rtc0\" rw,\n"
                                 "  capability sys_time,\n"
                                 "  capability net_raw,\n"
                                 "  network unix,\n"
                                 "  network netlink,\n"
                                 "  network inet stream,\n"
                                 "  network inet dgram,\n"
                                 "  network inet6 stream,\n"
                                 "  network inet6 dgram,\n"
                                 "  network packet,\n"
                                 "  network inet raw,\n"
                                 "  network inet6 raw,\n"
                                 "  mount,\n"
                                 "  umount,\n"
                                 "  pivot_root,\n"
                                 "  signal receive peer=unconfined,\n"
                                 "  signal (send, receive) peer=broch-time,\n"
                                 "  ptrace (readby, tracedby) peer=unconfined,\n"
                                 "  ptrace (read, readby) peer=broch-time,\n"
                                 "}\n";
    _cleanup_text_ struct text t = TEXT_INIT;
    struct service_manifest m;
    const char *text;

    (void)state;
    parse(time_service, &m);
    apparmor_add_profile(&m, &t);
    text = text_string(&t);
    assert_ptr_equal(strstr(text, "profile broch-time flags=(attach_disconnected, "), text);
    assert_non_null(strstr(text, "  # What its manifest adds.\n"));
    assert_string_equal(strstr(text, "  # What its manifest adds.\n"), golden);
    service_manifest_done(&m);
}

/* A service that asks for nothing: no capability, no raw socket, nothing written but its memory. */
static void test_least(void **state)
{
    static const char least[] = "name = \"time\"\ndescription = \"d\"\ntier = \"node\"\n"
                                "run = [\"/srv/tool\"]\n[ready]\nkind = \"start\"\n";
    static const char *const absent[] = { "capability",      "network packet", " raw,", "mount,",
                                          "\"/var/lib/time", "\"/run/time",    "userns" };
    _cleanup_text_ struct text t = TEXT_INIT;
    struct service_manifest m;

    (void)state;
    parse(least, &m);
    apparmor_add_profile(&m, &t);
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        assert_null(strstr(text_string(&t), absent[i]));
    assert_non_null(strstr(text_string(&t), "  \"/srv/tool\" mrix,\n"));
    assert_non_null(strstr(text_string(&t), "  audit deny /etc/broch/secrets/{,**} rwklm,\n"));
    service_manifest_done(&m);
}

static void test_local(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    apparmor_add_local_profile(&t);
    assert_ptr_equal(strstr(text_string(&t), "profile broch-local "), text_string(&t));
    assert_non_null(strstr(text_string(&t), "audit deny capability mac_admin,"));
    assert_non_null(strstr(text_string(&t), "signal (send, receive) peer=broch-local,"));
    assert_null(strstr(text_string(&t), "mount,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
