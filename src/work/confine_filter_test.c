/* Each case is a child with the filter on: what it may not do comes back as EPERM. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "work/confine_filter.h"

enum { NO_FILTER = 120 };

/* Runs `act` under the filter; returns its errno, 0 when it succeeded. */
static int under_filter(const char *const *asked, size_t count, int (*act)(void))
{
    struct failure f = FAILURE_NONE;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_filter_load(asked, count, &f) < 0)
            _exit(NO_FILTER);
        _exit(act());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), NO_FILTER);
    return WEXITSTATUS(status);
}

static int do_mount(void)
{
    return mount("x", "/nonexistent", "tmpfs", 0, NULL) < 0 ? errno : 0;
}

static int do_unshare(void)
{
    return unshare(CLONE_FS) < 0 ? errno : 0;
}

static int do_packet(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) < 0 && errno == EPERM ? EPERM : 0;
}

static int do_internet(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int do_namespace(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int do_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0) < 0 ? errno : 0;
}

static void *nothing(void *context)
{
    return context;
}

/* What every program does: threads, children, files, other programs. */
static int do_ordinary(void)
{
    pthread_t thread;
    int status;
    pid_t pid;

    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return EAGAIN;
    pid = fork();
    if (pid == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return ECHILD;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(under_filter(NULL, 0, do_mount), EPERM);
    assert_int_equal(under_filter(NULL, 0, do_unshare), EPERM);
    assert_int_equal(under_filter(NULL, 0, do_packet), EPERM);
    assert_int_equal(under_filter(NULL, 0, do_namespace), EPERM);
    assert_int_equal(under_filter(NULL, 0, do_clone3), ENOSYS);
}

static void test_ordinary(void **state)
{
    (void)state;
    assert_int_equal(under_filter(NULL, 0, do_ordinary), 0);
    assert_int_equal(under_filter(NULL, 0, do_internet), 0);
}

/* The same calls reach the kernel, which then says what it thinks of the arguments. */
static void test_asked(void **state)
{
    static const char *const one[] = { "unshare" }, *const packet[] = { "@packet" },
                             *const spaces[] = { "@namespaces" };

    (void)state;
    assert_int_equal(under_filter(one, 1, do_unshare), 0);
    assert_int_equal(under_filter(packet, 1, do_packet), 0);
    assert_int_equal(under_filter(spaces, 1, do_unshare), 0);
    assert_int_equal(under_filter(spaces, 1, do_clone3), EINVAL);
}

static void test_unknown(void **state)
{
    static const char *const words[] = { "@everything" };
    struct failure f = FAILURE_NONE;

    (void)state;
    assert_int_equal(confine_filter_load(words, 1, &f), -EINVAL);
    assert_int_equal(f.code, CODE_CONFINE);
    assert_non_null(strstr(f.text, "@everything"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ordinary),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
