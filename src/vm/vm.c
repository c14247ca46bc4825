#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"
#include "vm/accel.h"
#include "vm/command.h"
#include "vm/folder.h"
#include "vm/qmp.h"
#include "vm/scanner.h"
#include "vm/usernet.h"

enum {
    READ_CHUNK = 64 << 10,
    GREETING_SECONDS = 30,
    REPLY_SECONDS = 30,
    QUIT_SECONDS = 10,
    GONE_SECONDS = 20,
    END_TEXT_MAX = 512,
};

struct child {
    pid_t pid; /* 0: not running */
    struct event_source *source;
};

/* A socket pair: our end and the child's. */
struct channel {
    int ours;
    int theirs;
};

struct vm {
    struct vm_config config;
    int lock_fd;
    struct event_loop *loop;

    struct child qemu;
    struct child tpm;
    int life_fd; /* reads as ended when the last process of this start is gone */
    int log_fd;
    int console_fd;
    int monitor_fd;
    struct event_source *console;
    struct event_source *monitor;

    struct scanner scanner;
    vm_output output;
    void *output_context;
    char *console_log;

    struct qmp qmp;
    bool greeted;
    bool printed; /* something came from the guest since the last reset */
    uint64_t last_id;
    uint64_t awaited_id;      /* 0: nobody waits */
    struct qmp_message reply; /* object: NULL until it is there */
    int monitor_error;        /* what the protocol broke with */

    enum vm_end_reason intended; /* why we are ending it */
    enum vm_end_reason end;
    char end_text[END_TEXT_MAX];
    char guest_reason[32]; /* what QEMU said about its end */
    struct vm_counts counts;
    struct vm_accel_choice accel;
    bool accel_chosen;
};

static int out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static void close_now(int *fd)
{
    cleanup_close_(fd);
    *fd = -1;
}

/* --- What comes from the guest --- */

/* The log is for people; a full disk must not end the machine. */
static void write_log(const struct vm *vm, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(vm->log_fd, bytes, size);

        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        }
    }
}

enum reading { READING_MORE, READING_EMPTY, READING_ENDED };

static enum reading judge_read(ssize_t got)
{
    if (got > 0)
        return READING_MORE;
    if (got == 0)
        return READING_ENDED;
    return errno == EAGAIN || errno == EINTR ? READING_EMPTY : READING_ENDED;
}

static enum reading read_console(struct vm *vm)
{
    static uint8_t chunk[READ_CHUNK];
    ssize_t got = recv(vm->console_fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (got <= 0)
        return judge_read(got);
    write_log(vm, chunk, (size_t)got);
    if (vm->output)
        vm->output(chunk, (size_t)got, vm->output_context);
    scanner_feed(&vm->scanner, chunk, (size_t)got);
    vm->printed = true;
    return READING_MORE;
}

static int on_console(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct vm *vm = context;

    (void)fd;
    (void)events;
    if (read_console(vm) == READING_ENDED)
        vm->console = event_source_free(source);
    return scanner_status(&vm->scanner);
}

/* SeaBIOS answers a reset with one of its own. A reset before the guest printed anything belongs
 * to the one before. */
static void count_reset(struct vm *vm, bool by_guest)
{
    while (vm->console && read_console(vm) == READING_MORE)
        ;
    if (!vm->printed)
        return;
    vm->printed = false;
    vm->counts.boots++;
    if (by_guest)
        vm->counts.guest_resets++;
    else
        vm->counts.host_resets++;
}

static void handle_event(struct vm *vm, const struct qmp_message *message)
{
    const char *name = qmp_event_name(message);
    const char *reason = qmp_event_text(message, "reason");

    if (strcmp(name, "SHUTDOWN") == 0) {
        (void)snprintf(vm->guest_reason, sizeof(vm->guest_reason), "%s", reason);
    } else if (strcmp(name, "RESET") == 0) {
        count_reset(vm, strncmp(reason, "guest-", strlen("guest-")) == 0);
    } else if (strcmp(name, "WATCHDOG") == 0) {
        vm->counts.watchdogs++;
    }
}

static void handle_message(struct vm *vm, struct qmp_message *message)
{
    switch (message->kind) {
    case QMP_GREETING:
        vm->greeted = true;
        break;
    case QMP_EVENT:
        handle_event(vm, message);
        break;
    case QMP_RETURN:
    case QMP_ERROR:
        if (message->id == vm->awaited_id && vm->awaited_id != 0) {
            vm->reply = *message;
            vm->awaited_id = 0;
            return; /* it is the waiter's now */
        }
        break;
    }
    qmp_message_done(message);
}

static enum reading read_monitor(struct vm *vm)
{
    static uint8_t chunk[READ_CHUNK];
    ssize_t got = recv(vm->monitor_fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    struct qmp_message message;
    int r;

    if (got <= 0)
        return judge_read(got);
    r = qmp_feed(&vm->qmp, chunk, (size_t)got);
    while (r == 0 && (r = qmp_next(&vm->qmp, &message)) == 1) {
        handle_message(vm, &message);
        r = 0;
    }
    if (r < 0)
        vm->monitor_error = r;
    return r < 0 ? READING_ENDED : READING_MORE;
}

static int on_monitor(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct vm *vm = context;

    (void)fd;
    (void)events;
    if (read_monitor(vm) == READING_ENDED)
        vm->monitor = event_source_free(source);
    return 0;
}

static void drain_monitor(struct vm *vm)
{
    while (vm->monitor && read_monitor(vm) == READING_MORE)
        ;
}

/* --- The end of a start --- */

static void end_child(struct child *child)
{
    if (child->pid == 0)
        return;
    (void)kill(child->pid, SIGKILL);
    (void)spawn_wait(child->pid);
    child->pid = 0;
    child->source = event_source_free(child->source);
}

/* Waits until every process of the start is gone, the grandchildren in their namespaces too: until
 * then they hold locks on the disks and on the TPM's state. */
static void wait_gone(struct vm *vm)
{
    uint64_t deadline = event_now_ns() + GONE_SECONDS * NS_PER_S;

    while (vm->life_fd >= 0 && event_now_ns() < deadline) {
        struct pollfd ready = { .fd = vm->life_fd, .events = POLLIN };
        char byte;

        if (poll(&ready, 1, 100) > 0 && read(vm->life_fd, &byte, 1) == 0)
            break;
    }
    close_now(&vm->life_fd);
}

static void judge_end(struct vm *vm, int status)
{
    char line[VM_LOG_LINE_MAX];

    vm->end = vm->intended;
    if (vm->end == VM_END_NONE && strcmp(vm->guest_reason, "guest-shutdown") == 0)
        vm->end = VM_END_POWEROFF;
    else if (vm->end == VM_END_NONE && strcmp(vm->guest_reason, "guest-reset") == 0)
        vm->end = VM_END_REBOOT;
    else if (vm->end == VM_END_NONE && vm->guest_reason[0] != '\0')
        vm->end = VM_END_STOPPED;
    switch (vm->end) {
    case VM_END_POWEROFF:
        (void)snprintf(vm->end_text, END_TEXT_MAX, "the guest powered off");
        return;
    case VM_END_REBOOT:
        (void)snprintf(vm->end_text, END_TEXT_MAX, "the guest restarted itself");
        return;
    case VM_END_STOPPED:
        (void)snprintf(vm->end_text, END_TEXT_MAX, "the machine was stopped");
        return;
    case VM_END_CUT:
        (void)snprintf(vm->end_text, END_TEXT_MAX, "the power was cut");
        return;
    case VM_END_NONE:
    case VM_END_FAILED:
        break;
    }
    vm->end = VM_END_FAILED;
    if (vm->end_text[0] != '\0')
        return; /* the TPM's end was first */
    vm_folder_last_line(vm->config.folder, "qemu.log", line);
    (void)snprintf(vm->end_text, END_TEXT_MAX, "QEMU ended with status %d%s%s",
                   WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                   line[0] ? ": " : "", line);
}

static void close_start(struct vm *vm)
{
    vm->console = event_source_free(vm->console);
    vm->monitor = event_source_free(vm->monitor);
    end_child(&vm->qemu);
    end_child(&vm->tpm);
    wait_gone(vm);
    close_now(&vm->console_fd);
    close_now(&vm->monitor_fd);
    close_now(&vm->log_fd);
    qmp_done(&vm->qmp);
    qmp_message_done(&vm->reply);
    vm->awaited_id = 0;
    vm_folder_drop_snapshots(&vm->config);
}

static int on_qemu_end(struct event_source *source, pid_t pid, int status, void *context)
{
    struct vm *vm = context;

    (void)pid;
    vm->qemu.pid = 0;
    vm->qemu.source = event_source_free(source);
    /* All that it wrote lies in the sockets: nothing is lost by looking now. */
    drain_monitor(vm);
    while (vm->console && read_console(vm) == READING_MORE)
        ;
    scanner_end(&vm->scanner);
    judge_end(vm, status);
    close_start(vm);
    return 0;
}

static int on_tpm_end(struct event_source *source, pid_t pid, int status, void *context)
{
    struct vm *vm = context;

    (void)pid;
    vm->tpm.pid = 0;
    vm->tpm.source = event_source_free(source);
    /* QEMU sends swtpm away when it ends; its own end is then about to follow. */
    drain_monitor(vm);
    if (vm->intended != VM_END_NONE || vm->guest_reason[0] != '\0')
        return 0;
    /* A machine that lost its TPM would only report nonsense. */
    (void)snprintf(vm->end_text, END_TEXT_MAX, "swtpm ended with status %d",
                   WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    vm->intended = VM_END_FAILED;
    if (vm->qemu.pid > 0)
        (void)kill(vm->qemu.pid, SIGKILL);
    return 0;
}

/* --- Starting --- */

static int make_channel(struct channel *channel, struct failure *f)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot make a socket pair");
    *channel = (struct channel){ pair[0], pair[1] };
    return 0;
}

static void close_channel(struct channel *channel)
{
    close_now(&channel->ours);
    close_now(&channel->theirs);
}
#define _cleanup_channel_ __attribute__((cleanup(close_channel)))
#define CHANNEL_NONE                                                                               \
    {                                                                                              \
        -1, -1                                                                                     \
    }

enum { INHERITED_MAX = 4 };

static void set_inherited(const int *fds, bool inherited)
{
    for (size_t i = 0; i < INHERITED_MAX; i++) {
        if (fds[i] >= 0)
            (void)fcntl(fds[i], F_SETFD, inherited ? 0 : FD_CLOEXEC);
    }
}

/* What a child is started with. */
struct start {
    const struct vm_command *command;
    const char *log;        /* name in the folder: what it prints */
    int fds[INHERITED_MAX]; /* -1: none */
    event_process_handler on_end;
};

static int start_child(struct vm *vm, const struct start *start, struct child *ret,
                       struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/%s", vm->config.folder, start->log);
    _cleanup_close_ int log_fd = -1;
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &start->command->arguments,
                           .sandbox = &start->command->sandbox };
    int r;

    if (!path)
        return out_of_memory(f);
    log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return file_failure(f, errno, "write", path);
    spawn.output_fd = spawn.error_fd = log_fd;
    set_inherited(start->fds, true);
    r = spawn_start(&spawn, &ret->pid, f);
    set_inherited(start->fds, false);
    if (r < 0)
        return r;
    r = event_add_process(vm->loop, ret->pid, start->on_end, vm, &ret->source);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot watch a process") : 0;
}

static int start_tpm(struct vm *vm, const struct channel *channel, int life_fd, struct failure *f)
{
    _cleanup_vm_command_ struct vm_command command = { .string_count = 0 };
    const struct start start = {
        &command, "swtpm.log", { channel->ours, life_fd, -1, -1 }, on_tpm_end
    };

    if (vm_command_swtpm(&vm->config, channel->ours, &command) < 0)
        return out_of_memory(f);
    return start_child(vm, &start, &vm->tpm, f);
}

static int spawn_qemu(struct vm *vm, const struct vm_command_fds *fds, int life_fd,
                      struct failure *f)
{
    _cleanup_vm_command_ struct vm_command command = { .string_count = 0 };
    const struct start start = {
        &command, "qemu.log", { fds->console, fds->monitor, fds->tpm, life_fd }, on_qemu_end
    };

    if (vm_command_qemu(&vm->config, vm->accel.kvm, fds, &command) < 0)
        return out_of_memory(f);
    return start_child(vm, &start, &vm->qemu, f);
}

static int start_qemu(struct vm *vm, int tpm_fd, int life_fd, struct failure *f)
{
    _cleanup_channel_ struct channel console = CHANNEL_NONE, monitor = CHANNEL_NONE;
    int r = make_channel(&console, f);

    if (r == 0)
        r = make_channel(&monitor, f);
    if (r == 0)
        r = spawn_qemu(vm, &(struct vm_command_fds){ console.theirs, monitor.theirs, tpm_fd },
                       life_fd, f);
    if (r < 0)
        return r;
    vm->console_fd = take_fd(&console.ours);
    vm->monitor_fd = take_fd(&monitor.ours);
    r = event_add_fd(vm->loop, vm->console_fd, EPOLLIN, on_console, vm, &vm->console);
    if (r == 0)
        r = event_add_fd(vm->loop, vm->monitor_fd, EPOLLIN, on_monitor, vm, &vm->monitor);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot watch the machine") : 0;
}

static int start_processes(struct vm *vm, struct failure *f)
{
    _cleanup_channel_ struct channel tpm = CHANNEL_NONE;
    _cleanup_channel_ struct channel life = CHANNEL_NONE;
    int pair[2], r = 0;

    if (pipe2(pair, O_CLOEXEC) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot make a pipe");
    life = (struct channel){ pair[0], pair[1] };
    if (vm->config.tpm) {
        r = make_channel(&tpm, f);
        if (r == 0)
            r = start_tpm(vm, &tpm, life.theirs, f);
    }
    if (r == 0)
        r = start_qemu(vm, tpm.theirs, life.theirs, f);
    vm->life_fd = take_fd(&life.ours);
    return r;
}

static int open_log(struct vm *vm, struct failure *f)
{
    vm->log_fd = open(vm->console_log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return vm->log_fd < 0 ? file_failure(f, errno, "write", vm->console_log) : 0;
}

/* Waits for QEMU's first words and answers them. */
static int greet(struct vm *vm, struct failure *f)
{
    uint64_t deadline = event_now_ns() + GREETING_SECONDS * NS_PER_S;
    int r = 1;

    while (r > 0 && !vm->greeted && vm_running(vm))
        r = vm_step(vm, deadline, f);
    if (r == 0)
        return failure_set(f, CODE_VM_START, -ETIMEDOUT, "QEMU said nothing for %d s",
                           GREETING_SECONDS);
    if (r > 0)
        r = vm_running(vm) ? vm_qmp(vm, "qmp_capabilities", NULL, NULL, f) : -ESHUTDOWN;
    if (r < 0 && !vm_running(vm))
        return failure_set(f, CODE_VM_START, -ESHUTDOWN, "%s", vm->end_text);
    return r;
}

static void reset_start(struct vm *vm)
{
    scanner_clear(&vm->scanner);
    vm->greeted = vm->printed = false;
    vm->monitor_error = 0;
    vm->intended = vm->end = VM_END_NONE;
    vm->end_text[0] = vm->guest_reason[0] = '\0';
}

int vm_start(struct vm *vm, struct failure *f)
{
    int r = 0;

    CHECK(!vm_running(vm));
    reset_start(vm);
    if (!vm->accel_chosen)
        r = vm_accel_choose(&vm->config, &vm->accel, f);
    vm->accel_chosen = r == 0;
    if (r == 0)
        r = vm_folder_make_snapshots(&vm->config, f);
    if (r == 0)
        r = open_log(vm, f);
    if (r == 0)
        r = start_processes(vm, f);
    if (r == 0) {
        vm->counts.starts++;
        vm->counts.boots++;
        r = greet(vm, f);
    }
    if (r < 0) {
        vm->intended = VM_END_FAILED;
        close_start(vm);
        vm->end = VM_END_FAILED;
    }
    return r;
}

/* --- Life --- */

static int apply_config(struct vm *vm, const struct vm_config *config, struct failure *f)
{
    char *log;
    int r = vm_config_check(config, f);

    if (r < 0)
        return r;
    log = config->console_log ? strdup(config->console_log)
                              : text_make("%s/console.log", config->folder);
    if (!log)
        return out_of_memory(f);
    free(vm->console_log);
    vm->console_log = log;
    vm->config = *config;
    vm->accel_chosen = false;
    return vm_folder_prepare(config, f);
}

int vm_open(const struct vm_config *config, struct vm **ret_vm, struct failure *f)
{
    struct vm *vm;
    int r = vm_config_check(config, f);

    if (r < 0)
        return r;
    vm = calloc(1, sizeof(*vm));
    if (!vm)
        return out_of_memory(f);
    vm->lock_fd = vm->life_fd = vm->log_fd = vm->console_fd = vm->monitor_fd = -1;
    r = event_loop_new(&vm->loop);
    if (r < 0)
        (void)failure_set(f, CODE_INTERNAL, r, "cannot make an event loop");
    if (r == 0)
        r = vm_folder_lock(config->folder, &vm->lock_fd, f);
    if (r == 0)
        r = apply_config(vm, config, f);
    if (r < 0) {
        vm_close(vm);
        return r;
    }
    *ret_vm = vm;
    return 0;
}

struct vm *vm_close(struct vm *vm)
{
    if (!vm)
        return NULL;
    close_start(vm);
    event_loop_free(vm->loop);
    scanner_done(&vm->scanner);
    free(vm->console_log);
    close_now(&vm->lock_fd);
    free(vm);
    return NULL;
}

int vm_configure(struct vm *vm, const struct vm_config *config, struct failure *f)
{
    CHECK(!vm_running(vm));
    if (strcmp(config->folder, vm->config.folder) != 0)
        return failure_set(f, CODE_VM_CONFIG, -EINVAL, "a machine cannot move from '%s' to '%s'",
                           vm->config.folder, config->folder);
    return apply_config(vm, config, f);
}

int vm_forget(struct vm *vm, struct failure *f)
{
    int r;

    CHECK(!vm_running(vm));
    r = vm_folder_forget(vm->config.folder, f);
    return r == 0 ? vm_folder_prepare(&vm->config, f) : r;
}

bool vm_running(const struct vm *vm)
{
    return vm->qemu.pid > 0;
}

const char *vm_acceleration(const struct vm *vm, const char **ret_reason)
{
    *ret_reason = vm->accel.reason;
    return vm->accel.kvm ? "kvm" : "tcg";
}

int vm_step(struct vm *vm, uint64_t deadline_ns, struct failure *f)
{
    int r = event_loop_step(vm->loop, deadline_ns);

    if (r < 0)
        return failure_set(f, CODE_INTERNAL, r, "the event loop failed");
    if (vm->monitor_error < 0)
        return failure_set(f, CODE_INTERNAL, vm->monitor_error, "QEMU's monitor spoke nonsense");
    return r;
}

struct event_loop *vm_loop(struct vm *vm)
{
    return vm->loop;
}

/* Steps until the start has ended: 1, or 0 at the deadline. */
static int step_to_end(struct vm *vm, uint64_t timeout_ns, struct failure *f)
{
    uint64_t now = event_now_ns();
    uint64_t deadline = timeout_ns > EVENT_NEVER - now ? EVENT_NEVER : now + timeout_ns;
    int r = 1;

    while (r > 0 && vm_running(vm))
        r = vm_step(vm, deadline, f);
    return r;
}

int vm_power_cut(struct vm *vm, struct failure *f)
{
    int r;

    if (!vm_running(vm))
        return 0;
    vm->intended = VM_END_CUT;
    (void)kill(vm->qemu.pid, SIGKILL);
    if (vm->tpm.pid > 0)
        (void)kill(vm->tpm.pid, SIGKILL);
    r = step_to_end(vm, GONE_SECONDS * NS_PER_S, f);
    if (r == 0)
        return failure_set(f, CODE_INTERNAL, -ETIMEDOUT, "QEMU does not die");
    return r < 0 ? r : 0;
}

int vm_stop(struct vm *vm, uint64_t grace_ns, struct failure *f)
{
    int r = 0;

    if (!vm_running(vm))
        return 0;
    if (grace_ns > 0) {
        r = vm_qmp(vm, "system_powerdown", NULL, NULL, f);
        if (r == 0)
            r = step_to_end(vm, grace_ns, f);
    }
    if (!vm_running(vm))
        return 0;
    vm->intended = VM_END_STOPPED;
    if (vm_qmp(vm, "quit", NULL, NULL, f) == 0 || !vm_running(vm)) {
        if (step_to_end(vm, QUIT_SECONDS * NS_PER_S, f) == 1)
            return 0;
    }
    r = vm_power_cut(vm, f);
    vm->end = VM_END_STOPPED;
    return r;
}

int vm_reset(struct vm *vm, struct failure *f)
{
    return vm_qmp(vm, "system_reset", NULL, NULL, f);
}

enum vm_end_reason vm_end(const struct vm *vm)
{
    return vm->end;
}

const char *vm_end_text(const struct vm *vm)
{
    return vm->end_text;
}

struct vm_counts vm_counts(const struct vm *vm)
{
    return vm->counts;
}

int vm_wait_end(struct vm *vm, uint64_t timeout_ns, enum vm_end_reason *ret_reason,
                struct failure *f)
{
    int r = step_to_end(vm, timeout_ns, f);

    if (r == 0)
        return failure_set(f, CODE_VM_DEADLINE, -ETIMEDOUT, "the machine did not end within %llu s",
                           (unsigned long long)(timeout_ns / NS_PER_S));
    if (r < 0)
        return r;
    *ret_reason = vm->end;
    return 0;
}

/* --- Console --- */

static const char *last_line(const struct vm *vm)
{
    const char *line = scanner_tail(&vm->scanner, 1);

    return *line ? line : "(nothing)\n";
}

/* One step of a wait for `what`; the end and the deadline are told apart here. */
static int await(struct vm *vm, uint64_t deadline_ns, const char *what, struct failure *f)
{
    const char *line;
    int r;

    if (!vm_running(vm)) {
        line = last_line(vm);
        return failure_set(f, CODE_VM_ENDED, -ESHUTDOWN,
                           "%s before '%s' came; last line: '%.*s'; see '%s'",
                           vm->end_text[0] ? vm->end_text : "the machine was not started", what,
                           (int)strcspn(line, "\n"), line, vm->console_log);
    }
    r = vm_step(vm, deadline_ns, f);
    if (r != 0)
        return r;
    line = last_line(vm);
    return failure_set(f, CODE_VM_DEADLINE, -ETIMEDOUT, "no '%s'; last line: '%.*s'; see '%s'",
                       what, (int)strcspn(line, "\n"), line, vm->console_log);
}

static uint64_t deadline_after(uint64_t timeout_ns)
{
    uint64_t now = event_now_ns();

    return timeout_ns > EVENT_NEVER - now ? EVENT_NEVER : now + timeout_ns;
}

int vm_wait_marker(struct vm *vm, const char *const *texts, size_t count, uint64_t timeout_ns,
                   struct vm_match *ret, struct failure *f)
{
    uint64_t deadline = deadline_after(timeout_ns);
    struct vm_match match;

    CHECK(count > 0);
    while (!scanner_find(&vm->scanner, texts, count, &match.index, &match.line)) {
        int r = await(vm, deadline, texts[0], f);

        if (r < 0)
            return r;
    }
    *ret = match;
    return 0;
}

int vm_wait_prompt(struct vm *vm, const char *text, uint64_t timeout_ns, struct failure *f)
{
    uint64_t deadline = deadline_after(timeout_ns);

    while (!scanner_find_prompt(&vm->scanner, text)) {
        int r = await(vm, deadline, text, f);

        if (r < 0)
            return r;
    }
    return 0;
}

bool vm_next_line(struct vm *vm, const char **ret_line)
{
    return scanner_next(&vm->scanner, ret_line);
}

static int not_running(const struct vm *vm, struct failure *f)
{
    return failure_set(f, CODE_VM_ENDED, -ESHUTDOWN, "%s",
                       vm->end_text[0] ? vm->end_text : "the machine was not started");
}

/* Sends all; while the guest is slow to read, what it prints is read. */
static int send_all(struct vm *vm, const int *fd, const void *bytes, size_t size, struct failure *f)
{
    const uint8_t *left = bytes;

    while (size > 0) {
        ssize_t put;

        if (!vm_running(vm) || *fd < 0)
            return not_running(vm, f);
        put = send(*fd, left, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            left += put;
            size -= (size_t)put;
        } else if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET) {
            /* Full, or QEMU is about to be seen as ended. */
            int r = vm_step(vm, event_now_ns() + 10 * NS_PER_MS, f);

            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return failure_set(f, CODE_INTERNAL, -errno, "cannot write to the machine");
        }
    }
    return 0;
}

int vm_type_bytes(struct vm *vm, const void *bytes, size_t size, struct failure *f)
{
    return send_all(vm, &vm->console_fd, bytes, size, f);
}

int vm_type(struct vm *vm, const char *text, struct failure *f)
{
    return vm_type_bytes(vm, text, strlen(text), f);
}

const char *vm_console(const struct vm *vm)
{
    return scanner_text(&vm->scanner);
}

const char *vm_console_log(const struct vm *vm)
{
    return vm->console_log;
}

void vm_set_output(struct vm *vm, vm_output output, void *context)
{
    vm->output = output;
    vm->output_context = context;
}

/* --- Monitor --- */

static int take_reply(struct vm *vm, const char *command, json_object **ret_reply,
                      struct failure *f)
{
    json_object *value = NULL;
    int r = 0;

    if (vm->reply.kind == QMP_ERROR)
        r = failure_set(f, CODE_INTERNAL, -EPROTO, "QEMU refuses '%s': %s", command,
                        qmp_error_text(&vm->reply));
    else if (ret_reply && json_object_object_get_ex(vm->reply.object, "return", &value))
        *ret_reply = json_object_get(value);
    qmp_message_done(&vm->reply);
    return r;
}

int vm_qmp(struct vm *vm, const char *command, json_object *arguments, json_object **ret_reply,
           struct failure *f)
{
    uint64_t deadline = event_now_ns() + REPLY_SECONDS * NS_PER_S, id = ++vm->last_id;
    _cleanup_free_ char *line = qmp_command(command, arguments, id);
    int r;

    if (!line)
        return out_of_memory(f);
    if (!vm_running(vm))
        return not_running(vm, f);
    vm->awaited_id = id;
    r = send_all(vm, &vm->monitor_fd, line, strlen(line), f);
    while (r >= 0 && !vm->reply.object) {
        if (!vm_running(vm))
            return not_running(vm, f);
        r = vm_step(vm, deadline, f);
        if (r == 0)
            r = failure_set(f, CODE_VM_DEADLINE, -ETIMEDOUT, "QEMU does not answer '%s'", command);
    }
    vm->awaited_id = 0;
    return r < 0 ? r : take_reply(vm, command, ret_reply, f);
}

/* --- Network --- */

int vm_forwarded_port(struct vm *vm, size_t index, uint16_t *ret_port, struct failure *f)
{
    const struct vm_forward *forward = &vm->config.forwards[index];
    json_object *arguments = json_object_new_object(), *reply = NULL;
    int r;

    CHECK(index < vm_config_forward_count(&vm->config));
    if (!arguments)
        return out_of_memory(f);
    (void)json_object_object_add(arguments, "command-line", json_object_new_string("info usernet"));
    r = vm_qmp(vm, "human-monitor-command", arguments, &reply, f);
    json_object_put(arguments);
    if (r == 0 && usernet_find_port(json_object_get_string(reply), forward, ret_port) < 0)
        r = failure_set(f, CODE_VM_START, -ENOENT, "QEMU does not forward port %u",
                        forward->guest_port);
    json_object_put(reply);
    return r;
}

int vm_set_link(struct vm *vm, bool up, struct failure *f)
{
    json_object *arguments = json_object_new_object();
    int r;

    if (!arguments)
        return out_of_memory(f);
    (void)json_object_object_add(arguments, "name", json_object_new_string("card"));
    (void)json_object_object_add(arguments, "up", json_object_new_boolean(up));
    r = vm_qmp(vm, "set_link", arguments, NULL, f);
    json_object_put(arguments);
    return r;
}
