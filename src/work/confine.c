#include "work/confine.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "work/confine_part.h"

enum { ENVIRONMENT_MAX = 12, VARIABLE_SIZE = 320 };

/* Which services a part is for. */
enum level { ALL, STRICT };

/* The order is part of the design: each part may only rely on what the parts before it left. */
static const struct {
    const char *name;
    enum level level;
    confine_part run;
} parts[] = {
    /* Reads the user database, which may not be there later. */
    { "account", ALL, confine_account },
    /* Nothing may be left of the last start when this one makes its files. */
    { "leftovers", STRICT, confine_end_leftovers },
    /* On the machine's own mounts, so that it is the same folder after a restart. */
    { "scratch", ALL, confine_make_scratch },
    /* Forks the waiter while control group and root are still the machine's: it is no part of the
     * service, and sees a file wherever it appears. */
    { "readiness", ALL, confine_prepare_ready },
    /* Early, so that all that follows counts as the service's. Before the namespaces: afterwards
     * the group would be the root of what it sees, and not to be found. */
    { "cgroup", ALL, confine_join_cgroup },
    /* Needs capabilities: a better score than one had, more descriptors. */
    { "limits", ALL, confine_set_limits },
    { "namespaces", STRICT, confine_leave_namespaces },
    { "loopback", STRICT, confine_raise_loopback },
    /* From here on only the service's own tree is seen. */
    { "root", STRICT, confine_enter_root },
    /* Takes effect when the program is executed; needs /proc, and user 0 to write there. */
    { "profile", STRICT, confine_set_profile },
    /* From here on without the rights of root. */
    { "user", ALL, confine_become },
    { "privileges", STRICT, confine_no_new_privileges },
    /* Last of all: it forbids most of what the parts before it do. */
    { "filter", STRICT, confine_set_filter },
    { "ready", ALL, confine_finish_ready },
};

struct environment {
    char text[ENVIRONMENT_MAX][VARIABLE_SIZE];
    char *list[ENVIRONMENT_MAX + 1];
    size_t count;
};

static void add_variable(struct environment *e, const char *name, const char *value)
{
    CHECK(e->count < ENVIRONMENT_MAX);
    CHECK(snprintf(e->text[e->count], VARIABLE_SIZE, "%s=%s", name, value) < VARIABLE_SIZE);
    e->list[e->count] = e->text[e->count];
    e->list[++e->count] = NULL;
}

/* Nothing of the supervisor's environment is passed on. */
static void make_environment(const struct confine *c, struct environment *e)
{
    const struct service_manifest *m = c->manifest;

    add_variable(e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
    add_variable(e, "LANG", "C.UTF-8");
    add_variable(e, "SERVICE", m->name);
    add_variable(e, "HOME", c->scratch[0] != '\0' ? c->scratch : "/");
    if (c->scratch[0] != '\0')
        add_variable(e, "SCRATCH", c->scratch);
    if (m->kind != WORK_KIND_ONCE && m->ready.kind == WORK_READY_NOTIFY)
        add_variable(e, "NOTIFY_FD", "3");
}

static void set_defaults(void)
{
    const struct sigaction by_default = { .sa_handler = SIG_DFL };
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with a valid set */
    for (int number = 1; number < SIGRTMIN; number++)
        (void)sigaction(number, &by_default, NULL); /* fails for KILL and STOP alone */
    (void)umask(022);
}

static int execute(const struct confine *c, struct failure *f)
{
    const struct schema_list *run = &c->manifest->run;
    struct environment environment = { .count = 0 };
    _cleanup_free_ char **arguments = calloc(run->count + 1, sizeof(*arguments));

    if (!arguments)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    for (size_t i = 0; i < run->count; i++)
        arguments[i] = run->items[i];
    make_environment(c, &environment);
    (void)execve(run->items[0], arguments, environment.list);
    return failure_set(f, CODE_CONFINE, -errno, "cannot execute '%s'", run->items[0]);
}

int confine_run(const struct service_manifest *manifest, struct failure *f)
{
    struct confine c = {
        .manifest = manifest,
        .strict = manifest->confine.level == WORK_CONFINE_STRICT,
    };

    set_defaults();
    /* Whatever the supervisor has open beyond the three and the one for readiness. */
    if (close_range(CONFINE_NOTIFY_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot close descriptors");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i].level == STRICT && !c.strict)
            continue;
        if (parts[i].run(&c, f) < 0) {
            failure_prefix(f, "service '%s' does not start, part %s", manifest->name,
                           parts[i].name);
            return f->cause;
        }
    }
    return execute(&c, f);
}
