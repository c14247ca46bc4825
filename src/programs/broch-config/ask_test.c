#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs/broch-config/ask.h"
#include "sys/file.h"

static char folder[] = "/tmp/ask-XXXXXX";
static char path[64];

/* A child that accepts once, wants `request` and answers with `reply` (nothing when NULL). */
static pid_t serve(const char *request, const char *reply)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    pid_t pid;

    (void)unlink(path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid = fork();
    if (pid == 0) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        char got[256] = "";
        bool good =
            client >= 0 && recv(client, got, sizeof(got) - 1, 0) > 0 && strcmp(got, request) == 0;

        if (good && reply)
            good = send(client, reply, strlen(reply), 0) > 0;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(close(fd), 0);
    return pid;
}

static void expect(const char *service, const char *request, const char *reply, int result,
                   const char *words)
{
    pid_t pid = serve(request, reply);
    struct failure f = FAILURE_NONE;
    int status = -1;

    assert_int_equal(ask_orchestrator(path, service ? "restart" : "reload", service, &f), result);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    if (words)
        assert_non_null(strstr(f.text, words));
}

static void test_answers(void **state)
{
    static const char reload[] = "{\"request\":\"reload\"}";
    static const char restart[] = "{\"request\":\"restart\",\"service\":\"ssh\"}";

    (void)state;
    expect(NULL, reload, "{\"ok\":true}", 0, NULL);
    expect("ssh", restart, "{\"ok\":true,\"more\":[]}", 0, NULL);
    expect("ssh", restart, "{\"ok\":false,\"message\":\"it is off\"}", -EPROTO, "it is off");
    expect(NULL, reload, "{\"ok\":\"", -EPROTO, "without a reason");
    expect(NULL, reload, "[]", -EPROTO, "without a reason");
    expect(NULL, reload, NULL, -EPROTO, "without a reason"); /* it went away */
}

static void test_nobody(void **state)
{
    struct failure f = FAILURE_NONE;

    (void)state;
    (void)unlink(path);
    assert_int_equal(ask_orchestrator(path, "reload", NULL, &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers),
                                        cmocka_unit_test(test_nobody) };
    struct failure f = FAILURE_NONE;
    int failed;

    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return file_remove_tree(folder, &f) < 0 ? 1 : failed;
}
