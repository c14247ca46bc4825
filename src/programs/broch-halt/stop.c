#include "programs/broch-halt/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/number.h"
#include "node/kernel_log.h"
#include "node/mounts.h"
#include "node/order.h"
#include "node/scan.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "sys/spawn.h"
#include "work/supervisor.h"

enum {
    /* The time of its manifest comes first, after which its supervisor kills it; this much later a
     * process is left behind that even SIGKILL does not end. */
    STOP_MARGIN_MS = 2000,
    NUMBER_SIZE = 24,
    TERM_WAIT_S = 3,
    KILL_WAIT_S = 2,
    SERVICE_PATH_SIZE = sizeof(SCAN_TARGET) + NAME_SIZE,
};

static void report(const char *step, const char *action)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add(&l, "broch halt");
    line_add_pair(&l, "step", step);
    line_add_pair(&l, "action", action);
    line_add_number(&l, "us", kernel_log_now_us());
    kernel_log(KERNEL_LOG_WARNING, buffer);
}

static void report_stopped(const char *name)
{
    char buffer[KERNEL_LOG_LINE_MAX];
    struct line l = line_make(buffer, sizeof(buffer));

    line_add(&l, "broch halt step=stop");
    line_add_pair(&l, "service", name);
    line_add_number(&l, "us", kernel_log_now_us());
    kernel_log(KERNEL_LOG_WARNING, buffer);
}

static void stop_service(const char *name, uint64_t stop_ms)
{
    char path[SERVICE_PATH_SIZE], deadline_ms[NUMBER_SIZE];
    const struct arguments arguments = ARGUMENTS("s6-svc", "-wD", "-T", deadline_ms, "-d", path);
    const struct spawn spawn = { .arguments = &arguments, SPAWN_FDS_NONE };
    char detail[FAILURE_TEXT_MAX + NAME_SIZE];
    struct failure f = FAILURE_NONE;

    (void)snprintf(path, sizeof(path), "%s/%s", SCAN_TARGET, name); /* always fits, both */
    (void)snprintf(deadline_ms, sizeof(deadline_ms), "%llu",
                   (unsigned long long)(stop_ms + STOP_MARGIN_MS));
    if (spawn_run(&spawn, &f) == 0)
        return;
    (void)snprintf(detail, sizeof(detail), "service '%s' did not stop: %s", name, f.text);
    kernel_log_failure(KERNEL_LOG_WARNING, "halt", "stop", CODE_HALT, detail);
}

static bool is_stopped(const char *name)
{
    struct supervise_status status;
    struct failure ignored = FAILURE_NONE; /* then it is stopped the long way */

    return supervisor_status_read(SCAN_TARGET, name, &status, &ignored) == 0 && status.pid == 0 &&
           !status.want_up;
}

/* The orchestrator first: it would see deaths where there is an order. */
static void stop_in_reverse(void)
{
    static struct order order;
    struct failure f = FAILURE_NONE;

    stop_service(SCAN_FIRST, ORDER_STOP_MS_DEFAULT);
    if (order_read(ORDER_PATH, &order, &f) < 0) {
        kernel_log_failure(KERNEL_LOG_WARNING, "halt", "stop", f.code, f.text);
        return;
    }
    while (order.count > 0) {
        const char *name = order.names[--order.count];

        if (is_stopped(name))
            continue;
        stop_service(name, order.stop_ms[order.count]);
        report_stopped(name);
    }
}

int stop_services(enum end_action action, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS("s6-svscanctl", "-b", SCAN_TARGET);
    const struct spawn spawn = { .arguments = &arguments, SPAWN_FDS_NONE };
    const char *name = end_action_name(action);
    _cleanup_close_ int lock_fd = -1;
    int r = lockfile_take(END_LOCK_PATH, false, &lock_fd, f);

    if (r == -EWOULDBLOCK)
        return 0;
    if (r == 0)
        r = file_write(END_ACTION_PATH, name, strlen(name), 0644, f);
    if (r < 0) /* the finish script would restart the machine instead of, say, switching it off */
        kernel_log_failure(KERNEL_LOG_WARNING, "halt", "stop", CODE_HALT, f->text);
    report("stop", name);
    stop_in_reverse();
    r = spawn_run(&spawn, f);
    if (r < 0) {
        /* The supervisor does not listen. Nothing that it guards runs any more, so go at once. */
        kernel_log_failure(KERNEL_LOG_ERROR, "halt", "supervisor", CODE_HALT, f->text);
        return end_now(action);
    }
    return 0;
}

int end_now(enum end_action action)
{
    sync();
    (void)reboot(end_action_command(action)); /* returns only on failure */
    return -errno;
}

static enum end_action read_action(void)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct failure ignored = FAILURE_NONE; /* no action was written: a restart is the safe one */
    enum end_action action = END_REBOOT;
    size_t size;

    if (file_read(END_ACTION_PATH, NAME_SIZE, &bytes, &size, &ignored) == 0 &&
        !end_action_parse((const char *)bytes, size, &action))
        return END_REBOOT;
    return action;
}

/* Collects ended processes until none is left or the time is over. */
static bool reap_all(uint64_t seconds)
{
    uint64_t deadline_us = kernel_log_now_us() + seconds * (NS_PER_S / NS_PER_US);
    sigset_t ended;

    (void)sigemptyset(&ended); /* these two fail for bad arguments only */
    (void)sigaddset(&ended, SIGCHLD);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        uint64_t now_us = kernel_log_now_us();
        struct timespec left;

        if (pid < 0 && errno == ECHILD)
            return true;
        if (pid > 0)
            continue;
        if (now_us >= deadline_us)
            return false;
        left.tv_sec = (time_t)((deadline_us - now_us) / 1000000);
        left.tv_nsec = (long)((deadline_us - now_us) % 1000000 * 1000);
        (void)sigtimedwait(&ended, NULL, &left); /* either way waitpid() is asked again */
    }
}

static void end_processes(void)
{
    sigset_t ended;

    (void)sigemptyset(&ended);
    (void)sigaddset(&ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &ended, NULL); /* valid arguments */
    /* None of these can fail for lack of rights; no process at all is what is wanted. */
    (void)kill(-1, SIGTERM);
    (void)kill(-1, SIGHUP); /* interactive shells do not heed SIGTERM */
    (void)kill(-1, SIGCONT);
    if (reap_all(TERM_WAIT_S))
        return;
    (void)kill(-1, SIGKILL);
    if (!reap_all(KILL_WAIT_S))
        kernel_log_failure(KERNEL_LOG_WARNING, "halt", "kill", CODE_HALT,
                           "a process did not end, going on");
}

void finish_machine(const char *role)
{
    enum end_action action = read_action();
    const char *name = end_action_name(action);

    if (strcmp(role, "crash") == 0)
        kernel_log_failure(KERNEL_LOG_CRITICAL, "halt", "supervisor", CODE_INIT_SUPERVISOR,
                           "the supervisor gave up");
    /* Out of the scan directory, which is about to be unmounted. */
    report(chdir("/") < 0 ? "kill-in-place" : "kill", name);
    end_processes();
    sync();
    report("unmount", name);
    if (mounts_unmount_all() > 0)
        kernel_log_failure(KERNEL_LOG_WARNING, "halt", "unmount", CODE_HALT,
                           "a filesystem is busy and was made read-only");
    report("end", name);
    (void)end_now(action); /* returns only on failure */
    kernel_log_failure(KERNEL_LOG_CRITICAL, "halt", "end", CODE_HALT,
                       "the kernel refused, switch the machine off");
    for (;;)
        (void)pause();
}
