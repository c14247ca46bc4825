#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"
#include "vm/folder.h"
#include "vm/usernet.h"
#include "vm/vm_state.h"

enum { GREETING_SECONDS = 30, QUIT_SECONDS = 10 };

int vm_out_of_memory(struct failure *f)
{
    return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

void vm_close_now(int *fd)
{
    cleanup_close_(fd);
    *fd = -1;
}

/* --- Starting --- */

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
        r = vm_process_start(vm, f);
    if (r == 0) {
        vm->counts.starts++;
        vm->counts.boots++;
        r = greet(vm, f);
    }
    if (r < 0) {
        vm->intended = VM_END_FAILED;
        vm_process_close(vm);
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
        return vm_out_of_memory(f);
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
        return vm_out_of_memory(f);
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
    vm_process_close(vm);
    event_loop_free(vm->loop);
    scanner_done(&vm->scanner);
    free(vm->console_log);
    vm_close_now(&vm->lock_fd);
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
    r = step_to_end(vm, VM_GONE_SECONDS * NS_PER_S, f);
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

/* --- Network --- */

int vm_forwarded_port(struct vm *vm, size_t index, uint16_t *ret_port, struct failure *f)
{
    const struct vm_forward *forward = &vm->config.forwards[index];
    json_object *arguments = json_object_new_object(), *reply = NULL;
    int r;

    CHECK(index < vm_config_forward_count(&vm->config));
    if (!arguments)
        return vm_out_of_memory(f);
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
        return vm_out_of_memory(f);
    (void)json_object_object_add(arguments, "name", json_object_new_string("card"));
    (void)json_object_object_add(arguments, "up", json_object_new_boolean(up));
    r = vm_qmp(vm, "set_link", arguments, NULL, f);
    json_object_put(arguments);
    return r;
}
