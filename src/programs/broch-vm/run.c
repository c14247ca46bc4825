#include "programs/broch-vm/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "programs/broch-vm/forward.h"
#include "programs/broch-vm/terminal.h"
#include "vm/marker.h"

enum { INPUT_CHUNK = 4096, GRACE_SECONDS = 20 };

struct run {
    struct vm *vm;
    const struct run_request *request;
    struct terminal_filter filter;
    uint8_t typed[2 * INPUT_CHUNK]; /* passed on outside of the handler, which must not step */
    size_t typed_size;
    bool ready;
    bool late;  /* the deadline passed */
    bool leave; /* the user wants to go */
    int signal; /* ... by this signal, or 0 */
};

/* --- What comes from the machine --- */

static void show(const void *bytes, size_t size, void *context)
{
    struct run *run = context;
    const uint8_t *left = bytes;

    while (size > 0 && !run->leave) {
        ssize_t put = write(STDOUT_FILENO, left, size);

        if (put > 0) {
            left += put;
            size -= (size_t)put;
        } else if (errno == EAGAIN) {
            /* Somebody else made the terminal non-blocking. */
            struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };

            (void)poll(&writable, 1, 100);
        } else if (errno != EINTR) {
            run->leave = true; /* nobody is listening any more */
        }
    }
}

static void print_json(struct run *run, json_object *object)
{
    if (object &&
        (printf("%s\n", json_object_to_json_string_ext(
                            object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ||
         fflush(stdout) != 0))
        run->leave = true;
    json_object_put(object);
}

static json_object *make_event(const char *name, const char *const pairs[][2], size_t count)
{
    json_object *object = json_object_new_object();

    if (!object)
        return NULL;
    (void)json_object_object_add(object, "event", json_object_new_string(name));
    for (size_t i = 0; i < count; i++)
        (void)json_object_object_add(object, pairs[i][0], json_object_new_string(pairs[i][1]));
    return object;
}

static void take_line(struct run *run, const char *line)
{
    json_object *marker = NULL, *name;
    int r = marker_parse(line, &marker);

    if (r == -ENODATA)
        return;
    if (r < 0) {
        const char *const pairs[][2] = { { "line", line } };

        if (run->request->json)
            print_json(run, make_event("malformed", pairs, 1));
        return;
    }
    if (json_object_object_get_ex(marker, "marker", &name) &&
        strcmp(json_object_get_string(name), "ready") == 0)
        run->ready = true;
    if (run->request->json)
        print_json(run, marker);
    else
        json_object_put(marker);
}

/* --- What comes from the user --- */

static int on_input(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct run *run = context;
    uint8_t bytes[INPUT_CHUNK];
    ssize_t got;

    (void)events;
    if (run->typed_size > 0)
        return 0; /* the guest is slow; the terminal keeps the rest */
    got = read(fd, bytes, sizeof(bytes));
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (got == 0)
        return event_fd_set(source, 0);
    if (terminal_filter(&run->filter, bytes, (size_t)got, run->typed, &run->typed_size))
        run->leave = true;
    return 0;
}

static int on_signal(struct event_source *source, int signal, void *context)
{
    struct run *run = context;

    (void)source;
    run->leave = true;
    run->signal = signal;
    return 0;
}

static int on_deadline(struct event_source *source, void *context)
{
    struct run *run = context;

    (void)source;
    run->late = true;
    return 0;
}

static int pass_input(struct run *run, struct failure *f)
{
    int r = 0;

    if (run->typed_size > 0)
        r = vm_type_bytes(run->vm, run->typed, run->typed_size, f);
    run->typed_size = 0;
    /* A machine that ended meanwhile is the loop's affair. */
    return r == -ESHUTDOWN ? 0 : r;
}

static int watch_user(struct run *run, struct failure *f)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct event_source *source;
    uint64_t now = event_now_ns(), wait = run->request->deadline_ns;
    uint64_t deadline = wait > EVENT_NEVER - now ? EVENT_NEVER : now + wait;
    int r = event_add_timer(vm_loop(run->vm), deadline, on_deadline, run, &source);

    if (r == 0 && !run->request->json && terminal_raw())
        r = event_add_fd(vm_loop(run->vm), STDIN_FILENO, EPOLLIN, on_input, run, &source);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
        r = event_add_signal(vm_loop(run->vm), signals[i], on_signal, run, &source);
    return r < 0 ? failure_set(f, CODE_INTERNAL, r, "cannot watch the terminal") : 0;
}

/* --- The loop --- */

static void say_start(struct run *run)
{
    const char *reason;
    const char *accelerator = vm_acceleration(run->vm, &reason);
    const char *const pairs[][2] = { { "generation", run->request->generation },
                                     { "accelerator", accelerator },
                                     { "reason", reason },
                                     { "log", vm_console_log(run->vm) } };

    if (run->request->json) {
        print_json(run, make_event("start", pairs, ARRAY_SIZE(pairs)));
        return;
    }
    if (strcmp(accelerator, "tcg") == 0)
        (void)fprintf(stderr, "broch run: emulating (%s)\n", reason[0] ? reason : "as asked");
}

static int say_forwards(struct run *run, struct failure *f)
{
    for (size_t i = 0; i < VM_FORWARDS_MAX && run->request->forwards[i].guest_port != 0; i++) {
        char guest[FORWARD_TEXT_SIZE], host[32];
        const char *const pairs[][2] = { { "guest", guest }, { "host", host } };
        uint16_t port;
        int r = vm_forwarded_port(run->vm, i, &port, f);

        if (r < 0)
            return r;
        forward_word(&run->request->forwards[i], guest);
        (void)snprintf(host, sizeof(host), "127.0.0.1:%u", port);
        if (run->request->json)
            print_json(run, make_event("forward", pairs, ARRAY_SIZE(pairs)));
        else
            (void)fprintf(stderr, "broch run: %s of the machine is %s\n", guest, host);
    }
    return 0;
}

static bool is_over(const struct run *run)
{
    return !vm_running(run->vm) || run->leave || (run->ready && run->request->until_ready);
}

static int loop(struct run *run, struct failure *f)
{
    for (;;) {
        const char *line;
        int r;

        while (vm_next_line(run->vm, &line))
            take_line(run, line);
        if (is_over(run))
            return 0;
        if (run->late)
            return failure_set(f, CODE_VM_DEADLINE, -ETIMEDOUT, "%s; see '%s'",
                               run->request->until_ready ? "no 'broch ready'" : "the time is over",
                               vm_console_log(run->vm));
        r = vm_step(run->vm, EVENT_NEVER, f);
        if (r > 0)
            r = pass_input(run, f);
        if (r < 0)
            return r;
    }
}

/* The verdict, after the machine was stopped. */
static int judge(struct run *run, struct failure *f)
{
    if (run->request->until_ready && run->ready)
        return 0;
    if (run->signal != 0)
        return failure_set(f, CODE_VM_ENDED, -EINTR, "stopped by signal %d", run->signal);
    if (run->request->until_ready || vm_end(run->vm) == VM_END_FAILED)
        return failure_set(f, CODE_VM_ENDED, -ESHUTDOWN, "%s%s; see '%s'", vm_end_text(run->vm),
                           run->request->until_ready ? " before 'broch ready' came" : "",
                           vm_console_log(run->vm));
    return 0;
}

int run_machine(struct vm *vm, const struct run_request *request, struct failure *f)
{
    struct run run = { .vm = vm, .request = request };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct failure ignored = FAILURE_NONE;
    bool orderly;
    int r;

    (void)sigaction(SIGPIPE, &ignore, NULL); /* the write that fails tells */
    if (!request->json)
        vm_set_output(vm, show, &run);
    r = vm_start(vm, f);
    if (r == 0) {
        say_start(&run);
        r = say_forwards(&run, f);
    }
    if (r == 0)
        r = watch_user(&run, f);
    if (r == 0)
        r = loop(&run, f);
    /* Who waited for `ready` gets an orderly end, so that what is kept is whole; who leaves wants
     * to be gone. */
    orderly = r == 0 && run.ready && request->until_ready && !request->throwaway && !run.leave;
    if (vm_running(vm) && vm_stop(vm, orderly ? GRACE_SECONDS * NS_PER_S : 0, &ignored) < 0 &&
        r == 0) {
        *f = ignored;
        r = ignored.cause;
    }
    vm_set_output(vm, NULL, NULL);
    terminal_restore();
    if (request->json) {
        const char *const pairs[][2] = { { "reason", vm_end_text(vm) } };

        print_json(&run, make_event("end", pairs, 1));
    }
    return r < 0 ? r : judge(&run, f);
}
