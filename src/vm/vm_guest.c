/* What comes from a machine and goes to it: its console and QEMU's monitor. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vm/vm_state.h"

enum { READ_CHUNK = 64 << 10, REPLY_SECONDS = 30 };

/* --- What comes --- */

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

void vm_guest_drain_console(struct vm *vm)
{
    while (vm->console && read_console(vm) == READING_MORE)
        ;
}

/* SeaBIOS answers a reset with one of its own. A reset before the guest printed anything belongs
 * to the one before. */
static void count_reset(struct vm *vm, bool by_guest)
{
    vm_guest_drain_console(vm);
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

void vm_guest_drain_monitor(struct vm *vm)
{
    while (vm->monitor && read_monitor(vm) == READING_MORE)
        ;
}

int vm_guest_attach(struct vm *vm, int *console_fd, int *monitor_fd, struct failure *f)
{
    int r;

    vm->console_fd = take_fd(console_fd);
    vm->monitor_fd = take_fd(monitor_fd);
    r = event_add_fd(vm->loop, vm->console_fd, EPOLLIN, on_console, vm, &vm->console);
    if (r == 0)
        r = event_add_fd(vm->loop, vm->monitor_fd, EPOLLIN, on_monitor, vm, &vm->monitor);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot watch the machine") : 0;
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
        return vm_out_of_memory(f);
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
