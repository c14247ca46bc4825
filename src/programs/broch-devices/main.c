/* Loads the drivers that the machine's devices ask for: first for the disks and networks that are
 * there, and it is ready; then, with little haste, for everything else; then, for as long as it
 * runs, for what comes. A driver that cannot be loaded is one line and nothing more: the machine
 * goes on without that device. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <libkmod.h>

#include "base/cleanup.h"
#include "base/number.h"
#include "base/options.h"
#include "node/coldplug.h"
#include "node/notify.h"
#include "sys/event.h"
#include "sys/uevent.h"

static const char program[] = "broch-devices";
static const char devices[] = "/sys/devices";

enum { LATER_NICE = 10 };

struct plug {
    struct kmod_ctx *kmod;
    int uevent_fd;
    unsigned alias_count, failure_count;
    bool stopped;
};

/* libkmod calls back without a context. */
static unsigned module_count;

static void count_module(struct kmod_module *module, bool install, const char *options)
{
    (void)module;
    (void)install;
    (void)options;
    module_count++;
}

/* An `install` line in modprobe.d is a command for a shell; we start none. Whoever wants a module
 * not to be loaded says `blacklist`. */
static int refuse_command(struct kmod_module *module, const char *command, void *context)
{
    (void)module;
    (void)command;
    (void)context;
    return -EPERM;
}

/* --- Drivers --- */

static void load_module(struct plug *plug, struct kmod_module *module)
{
    int r = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST, NULL,
                                            refuse_command, NULL, count_module);

    if (r >= 0 || r == -EEXIST)
        return; /* loaded, there already, or unwanted (a positive result) */
    plug->failure_count++;
    (void)fprintf(stderr, "%s: cannot load '%s': %s\n", program, kmod_module_get_name(module),
                  strerror(-r));
}

static int load_alias(const char *alias, void *context)
{
    struct plug *plug = context;
    struct kmod_list *list = NULL, *item;

    plug->alias_count++;
    if (kmod_module_new_from_lookup(plug->kmod, alias, &list) < 0)
        return 0; /* a malformed alias; the kernel writes none */
    kmod_list_foreach(item, list)
    {
        struct kmod_module *module = kmod_module_get_module(item);

        load_module(plug, module);
        kmod_module_unref(module);
    }
    kmod_module_unref_list(list);
    return 0;
}

/* --- Devices that are there --- */

static int load_urgent(const char *alias, void *context)
{
    return coldplug_is_urgent(alias) ? load_alias(alias, context) : 0;
}

static int load_rest(const char *alias, void *context)
{
    return coldplug_is_urgent(alias) ? 0 : load_alias(alias, context);
}

static int look_at_all(struct plug *plug, coldplug_each load, struct failure *f)
{
    struct coldplug_set *set = coldplug_set_new();
    int r;

    if (!set)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = coldplug_walk(devices, set, load, plug, f);
    coldplug_set_free(set);
    return r;
}

/* --- Devices that come --- */

static void take_event(struct plug *plug, const char *bytes, size_t size)
{
    char alias[COLDPLUG_ALIAS_MAX];
    struct uevent event;

    if (uevent_parse(bytes, size, &event) == 0 && event.action == UEVENT_ADD &&
        uevent_value(event.fields, event.fields_size, UEVENT_END_MESSAGE, "MODALIAS", alias,
                     sizeof(alias)) > 0)
        (void)load_alias(alias, plug); /* always 0 */
}

/* All events that wait. A driver makes new devices while it starts, so that they come here, too. */
static int take_events(struct plug *plug, struct failure *f)
{
    static char bytes[UEVENT_SIZE_MAX];

    for (;;) {
        int size = uevent_receive(plug->uevent_fd, bytes), r = 0;

        if (size >= 0)
            take_event(plug, bytes, (size_t)size);
        else if (size == -EAGAIN)
            return 0;
        else if (size == -ENOBUFS)
            r = look_at_all(plug, load_alias, f); /* some were lost */
        else if (size != -EBADMSG)
            r = failure_set(f, CODE_DEVICES, size, "cannot receive the kernel's events");
        if (r < 0)
            return r;
    }
}

static int on_event(struct event_source *source, int fd, uint32_t events, void *context)
{
    struct failure f = FAILURE_NONE;
    unsigned before = module_count;
    int r = take_events(context, &f);

    (void)source;
    (void)fd;
    (void)events;
    if (r < 0)
        (void)failure_print(&f, program, stderr);
    if (module_count > before)
        (void)fprintf(stderr, "%s: %u modules for new devices\n", program, module_count - before);
    return r;
}

static int on_signal(struct event_source *source, int signal, void *context)
{
    struct plug *plug = context;

    (void)source;
    (void)signal;
    plug->stopped = true;
    return 0;
}

/* --- Life --- */

static int watch(struct plug *plug, struct failure *f)
{
    struct event_loop *loop = NULL;
    struct event_source *source;
    int r = event_loop_new(&loop);

    if (r == 0)
        r = event_add_signal(loop, SIGTERM, on_signal, plug, &source);
    if (r == 0)
        r = event_add_fd(loop, plug->uevent_fd, EPOLLIN, on_event, plug, &source);
    while (r >= 0 && !plug->stopped)
        r = event_loop_step(loop, EVENT_NEVER);
    event_loop_free(loop);
    return r < 0 ? failure_set(f, CODE_DEVICES, r, "cannot watch for devices") : 0;
}

static int open_sources(struct plug *plug, struct failure *f)
{
    /* Before the first look: what comes meanwhile waits in the socket. */
    plug->uevent_fd = uevent_open();
    if (plug->uevent_fd < 0)
        return failure_set(f, CODE_DEVICES, plug->uevent_fd,
                           "cannot listen to the kernel's events");
    plug->kmod = kmod_new(NULL, NULL);
    if (!plug->kmod)
        return failure_set(f, CODE_DEVICES, -ENOMEM, "cannot use libkmod");
    /* Maps the tables once; without, each look-up opens them. */
    (void)kmod_load_resources(plug->kmod);
    return 0;
}

/* One look, and what it made appear. Says what came of it. */
static int look(struct plug *plug, const char *what, coldplug_each load, struct failure *f)
{
    unsigned aliases = plug->alias_count, modules = module_count, failures = plug->failure_count;
    uint64_t start = event_now_ns();
    int r = look_at_all(plug, load, f);

    if (r == 0)
        r = take_events(plug, f);
    if (r < 0)
        return r;
    (void)fprintf(stderr, "%s: %s: %u aliases, %u modules loaded, %u failed, in %llu ms\n", program,
                  what, plug->alias_count - aliases, module_count - modules,
                  plug->failure_count - failures,
                  (unsigned long long)((event_now_ns() - start) / NS_PER_MS));
    return 0;
}

static int plug_in(struct plug *plug, uint64_t notify_fd, struct failure *f)
{
    int r = open_sources(plug, f);

    if (r == 0)
        r = look(plug, "disks and networks", load_urgent, f);
    if (r < 0)
        return r;
    notify_ready(notify_fd);
    /* The kernel checks a signature for each module, which takes the processor away from services
     * that start meanwhile: they go first. */
    (void)setpriority(PRIO_PROCESS, 0, LATER_NICE);
    r = look(plug, "the rest", load_rest, f);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    return r < 0 ? r : watch(plug, f);
}

int main(int argc, char **argv)
{
    uint64_t notify_fd = NOTIFY_FD_NONE;
    const struct option_spec specs[] = { NOTIFY_OPTION(&notify_fd) };
    const struct options options = {
        .program = program,
        .synopsis = "[options]",
        .purpose = "Loads drivers for the devices that are there, and for those that come.",
        .specs = specs,
        .spec_count = ARRAY_SIZE(specs),
    };
    struct plug plug = { .uevent_fd = -1 };
    struct operands operands;
    struct failure f = FAILURE_NONE;
    int r = options_parse(&options, argc, argv, &operands, &f);

    if (r > 0) {
        options_help(&options, stdout);
        return EXIT_CODE_DONE;
    }
    if (r == 0)
        r = plug_in(&plug, notify_fd, &f);
    if (plug.kmod)
        kmod_unref(plug.kmod);
    cleanup_close_(&plug.uevent_fd);
    return r < 0 ? (int)failure_print(&f, program, stderr) : EXIT_CODE_DONE;
}
