/* The processes of a start: QEMU and swtpm, how they begin and how they end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "vm/command.h"
#include "vm/folder.h"
#include "vm/vm_state.h"

enum { INHERITED_MAX = 4 };

/* A socket pair: our end and the child's. */
struct channel {
    int ours;
    int theirs;
};

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
    uint64_t deadline = event_now_ns() + VM_GONE_SECONDS * NS_PER_S;

    while (vm->life_fd >= 0 && event_now_ns() < deadline) {
        struct pollfd ready = { .fd = vm->life_fd, .events = POLLIN };
        char byte;

        if (poll(&ready, 1, 100) > 0 && read(vm->life_fd, &byte, 1) == 0)
            break;
    }
    vm_close_now(&vm->life_fd);
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
        (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "the guest powered off");
        return;
    case VM_END_REBOOT:
        (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "the guest restarted itself");
        return;
    case VM_END_STOPPED:
        (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "the machine was stopped");
        return;
    case VM_END_CUT:
        (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "the power was cut");
        return;
    case VM_END_NONE:
    case VM_END_FAILED:
        break;
    }
    vm->end = VM_END_FAILED;
    if (vm->end_text[0] != '\0')
        return; /* the TPM's end was first */
    vm_folder_last_line(vm->config.folder, "qemu.log", line);
    (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "QEMU ended with status %d%s%s",
                   WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                   line[0] ? ": " : "", line);
}

void vm_process_close(struct vm *vm)
{
    vm->console = event_source_free(vm->console);
    vm->monitor = event_source_free(vm->monitor);
    end_child(&vm->qemu);
    end_child(&vm->tpm);
    wait_gone(vm);
    vm_close_now(&vm->console_fd);
    vm_close_now(&vm->monitor_fd);
    vm_close_now(&vm->log_fd);
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
    vm_guest_drain_monitor(vm);
    vm_guest_drain_console(vm);
    scanner_end(&vm->scanner);
    judge_end(vm, status);
    vm_process_close(vm);
    return 0;
}

static int on_tpm_end(struct event_source *source, pid_t pid, int status, void *context)
{
    struct vm *vm = context;

    (void)pid;
    vm->tpm.pid = 0;
    vm->tpm.source = event_source_free(source);
    /* QEMU sends swtpm away when it ends; its own end is then about to follow. */
    vm_guest_drain_monitor(vm);
    if (vm->intended != VM_END_NONE || vm->guest_reason[0] != '\0')
        return 0;
    /* A machine that lost its TPM would only report nonsense. */
    (void)snprintf(vm->end_text, VM_END_TEXT_MAX, "swtpm ended with status %d",
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
    vm_close_now(&channel->ours);
    vm_close_now(&channel->theirs);
}
#define _cleanup_channel_ __attribute__((cleanup(close_channel)))
#define CHANNEL_NONE                                                                               \
    {                                                                                              \
        -1, -1                                                                                     \
    }

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
        return vm_out_of_memory(f);
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
        return vm_out_of_memory(f);
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
        return vm_out_of_memory(f);
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
    return r < 0 ? r : vm_guest_attach(vm, &console.ours, &monitor.ours, f);
}

int vm_process_start(struct vm *vm, struct failure *f)
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
