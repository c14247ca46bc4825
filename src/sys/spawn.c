#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

enum { ENVIRONMENT_MAX = 32, CAPTURE_CHUNK = 65536 };

/* What the child tells us when it does not come as far as exec. */
struct report {
    int error;
    char stage[256];
};

void arguments_add(struct arguments *a, const char *argument)
{
    CHECK(a->count < SPAWN_ARGUMENTS_MAX);
    a->list[a->count++] = argument;
    a->list[a->count] = NULL;
}

static int place_fd(int fd, int wanted)
{
    if (fd == wanted) {
        /* Already in place: only the close-on-exec flag has to go. */
        return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
    }
    return dup2(fd, wanted) < 0 ? -errno : 0;
}

static int place_fds(const struct spawn *spawn)
{
    int input = spawn->input_fd >= 0 ? spawn->input_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
    int r;

    if (input < 0)
        return -errno;
    r = place_fd(input, STDIN_FILENO);
    if (r == 0 && spawn->output_fd >= 0)
        r = place_fd(spawn->output_fd, STDOUT_FILENO);
    if (r == 0 && spawn->error_fd >= 0)
        r = place_fd(spawn->error_fd, STDERR_FILENO);
    return r;
}

static void exec_program(const struct spawn *spawn)
{
    static const char *const fixed[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                                         "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC" };
    const char *environment[ENVIRONMENT_MAX + 1] = { NULL };
    size_t count = 0;
    char *const *arguments;

    if (spawn->sandbox) {
        for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
            environment[count++] = fixed[i];
    }
    for (size_t i = 0; spawn->environment && spawn->environment[i]; i++) {
        CHECK(count < ENVIRONMENT_MAX);
        environment[count++] = spawn->environment[i];
    }
    memcpy(&arguments, &(const char *const *){ spawn->arguments->list }, sizeof(arguments));
    if (spawn->sandbox) {
        char *const *names;

        memcpy(&names, &(const char *const *){ environment }, sizeof(names));
        (void)umask(022);
        environ = NULL;
        for (size_t i = 0; i < count; i++)
            (void)putenv(names[i]); /* only ENOMEM, and then exec fails as well */
        (void)execvp(arguments[0], arguments);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *name;

        memcpy(&name, &environment[i], sizeof(name));
        (void)putenv(name);
    }
    (void)execvp(arguments[0], arguments);
}

__attribute__((noreturn)) static void run_child(const struct spawn *spawn, const int *ids,
                                                int report_fd)
{
    struct report report = { .error = 0 };
    const char *stage = "prepare";
    sigset_t none;
    int r = 0;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)sigaction(SIGPIPE, &(const struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        r = -errno;
    if (r == 0 && spawn->own_group && setpgid(0, 0) < 0)
        r = -errno;
    if (r == 0)
        r = place_fds(spawn);
    if (r == 0 && spawn->sandbox)
        r = sandbox_enter(spawn->sandbox, ids[0], ids[1], report_fd, &stage);
    if (r == 0 && spawn->folder) {
        stage = spawn->folder;
        r = chdir(spawn->folder) < 0 ? -errno : 0;
    }
    if (r == 0) {
        exec_program(spawn);
        r = -errno;
        stage = "";
    }
    report.error = -r;
    (void)snprintf(report.stage, sizeof(report.stage), "%s", stage);
    (void)!write(report_fd, &report, sizeof(report)); /* nobody else to tell */
    _exit(127);
}

static int tell_failure(const struct spawn *spawn, const struct report *report, struct failure *f)
{
    const char *program = spawn->arguments->list[0];

    if (report->stage[0] == '\0' && report->error == ENOENT)
        return failure_set(f, CODE_TOOL_MISSING, -ENOENT, "program '%s' is not installed%s",
                           program, spawn->sandbox ? " in the tools tree" : "");
    if (report->stage[0] == '\0')
        return failure_set(f, CODE_INTERNAL, -report->error, "cannot start '%s'", program);
    return failure_set(f, CODE_INTERNAL, -report->error, "cannot start '%s': %s", program,
                       report->stage);
}

/* Waits for the namespace of `pid` and maps ids into it. The pipes are named from the child's side.
 */
static int serve_ids(pid_t pid, int ready_fd, int done_fd, struct failure *f)
{
    char byte = 0;
    int r;

    if (read(ready_fd, &byte, 1) != 1)
        return 0; /* the child failed before; its report tells why */
    r = sandbox_map_ids(pid, f);
    if (r == 0 && write(done_fd, &byte, 1) != 1)
        r = failure_set(f, CODE_INTERNAL, -errno, "cannot tell the child its ids");
    return r;
}

static int read_report(int fd, struct report *ret)
{
    ssize_t got;

    do {
        got = read(fd, ret, sizeof(*ret));
    } while (got < 0 && errno == EINTR);
    ret->stage[sizeof(ret->stage) - 1] = '\0';
    return got == (ssize_t)sizeof(*ret) ? 1 : 0;
}

static void close_now(int *fd)
{
    cleanup_close_(fd);
    *fd = -1;
}

static void close_pair(int (*pair)[2])
{
    cleanup_close_(&(*pair)[0]);
    cleanup_close_(&(*pair)[1]);
}

int spawn_start(const struct spawn *spawn, pid_t *ret_pid, struct failure *f)
{
    _cleanup_(close_pair) int report[2] = { -1, -1 }, ready[2] = { -1, -1 }, done[2] = { -1, -1 };
    bool map = spawn->sandbox && spawn->sandbox->many_ids && geteuid() != 0;
    struct report told;
    pid_t pid;
    int r = 0;

    CHECK(spawn->arguments->count > 0);
    if (pipe2(report, O_CLOEXEC) < 0 ||
        (map && (pipe2(ready, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)))
        return failure_set(f, CODE_INTERNAL, -errno, "cannot make a pipe");
    (void)fflush(NULL); /* so that no buffered output is written twice */
    pid = fork();
    if (pid < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot fork");
    if (pid == 0) {
        close_now(&report[0]);
        close_now(&ready[0]);
        close_now(&done[1]);
        run_child(spawn, (const int[2]){ ready[1], done[0] }, report[1]);
    }
    close_now(&report[1]);
    close_now(&ready[1]);
    close_now(&done[0]);
    if (map)
        r = serve_ids(pid, ready[0], done[1], f);
    close_now(&done[1]);
    if (r == 0 && read_report(report[0], &told))
        r = tell_failure(spawn, &told, f);
    if (r < 0) {
        (void)kill(pid, SIGKILL);
        (void)spawn_wait(pid);
        return r;
    }
    *ret_pid = pid;
    return 0;
}

int spawn_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 127;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int judge(const struct spawn *spawn, int status, struct failure *f)
{
    if (status == 0 || spawn->any_status)
        return 0;
    return failure_set(f, CODE_STEP_FAILED, -EINVAL, "'%s' ended with status %d",
                       spawn->arguments->list[0], status);
}

int spawn_run(const struct spawn *spawn, struct failure *f)
{
    pid_t pid;
    int r = spawn_start(spawn, &pid, f);

    return r < 0 ? r : judge(spawn, spawn_wait(pid), f);
}

static int read_output(int fd, size_t limit, struct text *output)
{
    static char chunk[CAPTURE_CHUNK];

    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return text_status(output);
        if ((size_t)got > limit - output->length)
            return -ERANGE;
        text_add_bytes(output, chunk, (size_t)got);
    }
}

int spawn_capture(const struct spawn *spawn, size_t limit, char **ret_output, size_t *ret_size,
                  struct failure *f)
{
    _cleanup_(close_pair) int pair[2] = { -1, -1 };
    _cleanup_text_ struct text output = TEXT_INIT;
    struct spawn with_pipe = *spawn;
    pid_t pid;
    int r, status;

    if (pipe2(pair, O_CLOEXEC) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot make a pipe");
    with_pipe.output_fd = pair[1];
    r = spawn_start(&with_pipe, &pid, f);
    if (r < 0)
        return r;
    close_now(&pair[1]);
    r = read_output(pair[0], limit, &output);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    status = spawn_wait(pid);
    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "cannot read the output of '%s'",
                           spawn->arguments->list[0]);
    r = judge(spawn, status, f);
    if (r < 0)
        return r;
    *ret_size = output.length;
    *ret_output = text_take(&output);
    return *ret_output ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}
