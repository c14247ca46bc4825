#include "node/service_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "work/json.h"

static struct snapshot snapshot = {
    .count = 2,
    .services = { { .name = "time",
                    .description = "Keeps the clock",
                    .state = SNAPSHOT_READY,
                    .pid = 77,
                    .since_us = 5000000 },
                  { .name = "probe",
                    .description = "Fails",
                    .state = SNAPSHOT_FAILED,
                    .since_us = 65000000,
                    .restarts = 12,
                    .last_end = SNAPSHOT_END_SIGNAL,
                    .last_code = 9,
                    .local = true,
                    .reason = "died 12 times" } },
};

static void test_list(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    service_view_add_list(&snapshot, 70000000, &t);
    assert_string_equal(text_string(&t),
                        "SERVICE              STATE     SINCE         RESTARTS  WHAT IT DOES\n"
                        "time                 ready     1 min 5 s            0  Keeps the clock\n"
                        "probe                failed    5 s                 12  died 12 times\n");
}

static void test_status(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT, failed = TEXT_INIT;

    (void)state;
    service_view_add_status(&snapshot.services[0], 70000000, &t);
    assert_non_null(strstr(text_string(&t), "state          ready, for 1 min 5 s\n"));
    assert_non_null(strstr(text_string(&t), "process        77\n"));
    assert_non_null(strstr(text_string(&t), "from           the image\n"));
    assert_null(strstr(text_string(&t), "last end"));
    assert_null(strstr(text_string(&t), "why"));
    service_view_add_status(&snapshot.services[1], 70000000, &failed);
    assert_non_null(strstr(text_string(&failed), "why            died 12 times\n"));
    assert_non_null(strstr(text_string(&failed), "last end       signal 9\n"));
    assert_non_null(strstr(text_string(&failed), "from           /etc/broch/services\n"));
    assert_null(strstr(text_string(&failed), "process"));
}

/* A clock that is behind the snapshot's shows no time instead of a huge one. */
static void test_since_never_wraps(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    service_view_add_status(&snapshot.services[1], 1, &t);
    assert_non_null(strstr(text_string(&t), "failed, for 0 s\n"));
}

static void test_manifest(void **state)
{
    static const char strict[] =
        "name = \"a\"\ndescription = \"A\"\nrun = [\"/usr/bin/a\", \"-x\"]\nneeds = [\"time\"]\n"
        "[network]\nmode = \"host\"\nlisten = [\"tcp/80\"]\n"
        "[limits]\nmemory = \"32MiB\"\n"
        "[confine]\ncapabilities = [\"net_bind_service\"]\n";
    static const char open[] =
        "name = \"a\"\ndescription = \"A\"\nrun = [\"/usr/bin/a\"]\nuser = \"root\"\n"
        "[confine]\nlevel = \"system\"\nreason = \"it is the system\"\n";
    _cleanup_service_manifest_ struct service_manifest first = { .name = NULL };
    _cleanup_service_manifest_ struct service_manifest second = { .name = NULL };
    _cleanup_text_ struct text t = TEXT_INIT, u = TEXT_INIT;
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(service_manifest_parse("a.toml", "a", strict, strlen(strict), &first, &f), 0);
    service_view_add_manifest(&first, &t);
    assert_non_null(strstr(text_string(&t), "program        /usr/bin/a -x\n"));
    assert_non_null(strstr(text_string(&t), "needs          time\n"));
    assert_non_null(strstr(text_string(&t), "open ports     tcp/80\n"));
    assert_non_null(strstr(text_string(&t), "memory         32768 KiB\n"));
    assert_non_null(strstr(text_string(&t), "confinement    strict\n"));
    assert_non_null(strstr(text_string(&t), "capabilities   net_bind_service\n"));
    assert_int_equal(service_manifest_parse("a.toml", "a", open, strlen(open), &second, &f), 0);
    service_view_add_manifest(&second, &u);
    assert_non_null(strstr(text_string(&u), "because        it is the system\n"));
    assert_null(strstr(text_string(&u), "capabilities"));
}

static void test_in_force(void **state)
{
    const struct in_force in_force = { .uid = 70001,
                                       .no_new_privileges = true,
                                       .filters = 1,
                                       .profile = "broch-a (enforce)",
                                       .own_root = true,
                                       .memory = "max",
                                       .tasks = "8",
                                       .oom_score = "0" };
    _cleanup_text_ struct text t = TEXT_INIT;

    (void)state;
    service_view_add_in_force(&in_force, &t);
    assert_non_null(strstr(text_string(&t), "user id        70001\n"));
    assert_non_null(strstr(text_string(&t), "capabilities   none\n"));
    assert_non_null(strstr(text_string(&t), "new rights     impossible\n"));
    assert_non_null(strstr(text_string(&t), "AppArmor       broch-a (enforce)\n"));
    assert_non_null(strstr(text_string(&t), "own network    no\n"));
}

static bool view_reload(const char *json, struct text *t)
{
    struct json_object *reply = json_parse(json, strlen(json));
    bool whole;

    assert_non_null(reply);
    whole = service_view_add_reload(reply, t);
    (void)json_object_put(reply);
    return whole;
}

static void test_reload(void **state)
{
    _cleanup_text_ struct text t = TEXT_INIT, none = TEXT_INIT, bad = TEXT_INIT;

    (void)state;
    assert_true(view_reload("{\"ok\":true,\"changes\":[{\"service\":\"a\",\"change\":\"added\"}],"
                            "\"complaints\":[]}",
                            &t));
    assert_string_equal(text_string(&t), "a: added\n");
    assert_true(view_reload("{\"ok\":true,\"changes\":[],\"complaints\":[]}", &none));
    assert_string_equal(text_string(&none), "nothing has changed\n");
    assert_false(view_reload("{\"ok\":true,\"changes\":[],\"complaints\":[{\"service\":\"b\","
                             "\"code\":\"BR-SCHEMA\",\"message\":\"b.toml:2: unknown key\"}]}",
                             &bad));
    assert_string_equal(text_string(&bad), "b: left out: b.toml:2: unknown key\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_since_never_wraps),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
