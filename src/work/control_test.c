#include "work/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_round_trip(void **state)
{
    for (size_t i = 0; i < CONTROL_VERB_MAX_; i++) {
        struct control_request request = { .verb = (enum control_verb)i }, back;
        _cleanup_text_ struct text t = TEXT_INIT;
        struct failure f = FAILURE_NONE;

        if (i != CONTROL_RELOAD)
            memcpy(request.service, "ssh", 4);
        control_add_request(&request, &t);
        assert_int_equal(control_parse(text_string(&t), t.length, &back, &f), 0);
        assert_int_equal(back.verb, i);
        assert_string_equal(back.service, request.service);
        assert_true(control_verb_name(back.verb)[0] != '\0');
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"request\":7}",
        "{\"request\":\"explode\"}",
        "{\"request\":\"start\"}",
        "{\"request\":\"reload\",\"service\":\"ssh\"}",
        /* A name that is one byte too long. */
        ("{\"request\":\"stop\",\"service\":"
         "\"0123456789012345678901234567890123456789012345678901234567890123\"}"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct control_request request;
        struct failure f = FAILURE_NONE;

        assert_int_equal(control_parse(bad[i], strlen(bad[i]), &request, &f), -EBADMSG);
        assert_int_equal(f.code, CODE_CONTROL);
    }
}

/* Every request of every user: the whole table. */
static void test_permissions(void **state)
{
    for (size_t i = 0; i < CONTROL_VERB_MAX_; i++) {
        const struct control_request request = { .verb = (enum control_verb)i, .service = "ssh" };
        struct failure f = FAILURE_NONE;

        assert_int_equal(control_judge(&request, 0, &f), 0);
        assert_int_equal(control_judge(&request, 1000, &f), -EPERM);
        assert_int_equal(f.code, CODE_PRIVILEGE);
    }
}

/* A child that gives one answer, whatever it is asked. */
static pid_t answer_with(const char *path, const char *answer)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    char request[CONTROL_REQUEST_SIZE_MAX];
    pid_t pid;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid = fork();
    if (pid == 0) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (recv(client, request, sizeof(request), 0) < 0 ||
            (answer && send(client, answer, strlen(answer), 0) < 0))
            _exit(1);
        _exit(0);
    }
    assert_int_equal(close(fd), 0);
    return pid;
}

static int call(const char *path, const char *answer, struct failure *f)
{
    const struct control_request request = { .verb = CONTROL_STOP, .service = "ssh" };
    struct json_object *reply = NULL;
    pid_t pid = answer_with(path, answer);
    int status, r = control_call(path, &request, &reply, f);

    (void)json_object_put(reply);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return r;
}

static void test_call(void **state)
{
    const struct control_request request = { .verb = CONTROL_RELOAD };
    _cleanup_text_ struct text t = TEXT_INIT;
    struct failure f = FAILURE_NONE, refusal = FAILURE_NONE;
    struct json_object *reply;
    char path[64];

    (void)snprintf(path, sizeof(path), "/tmp/control-%d.sock", (int)getpid());
    assert_int_equal(call(path, "{\"ok\":true}", &f), 0);
    (void)failure_set(&refusal, CODE_SERVICE_UNKNOWN, -ENOENT, "there is no service 'x'");
    control_add_refusal(&refusal, &t);
    assert_int_equal(call(path, text_string(&t), &f), -EPROTO);
    assert_int_equal(f.code, CODE_SERVICE_UNKNOWN);
    assert_string_equal(f.text, "there is no service 'x'");
    assert_int_equal(call(path, "{\"ok\":false,\"code\":\"BR-NEW\"}", &f), -EPROTO);
    assert_int_equal(f.code, CODE_SUPERVISOR);
    assert_int_equal(call(path, "nonsense", &f), -EBADMSG);
    assert_int_equal(call(path, NULL, &f), -EBADMSG); /* hung up */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(control_call(path, &request, &reply, &f), -ENOENT);
    assert_int_equal(f.code, CODE_SUPERVISOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
