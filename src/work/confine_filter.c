#include "work/confine_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>

#include "work/confine_names.h"
#include "work/confine_part.h"

/* Any of these in clone's flags makes a namespace, where a process has every capability again. */
#define NAMESPACE_FLAGS                                                                            \
    ((scmp_datum_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |  \
                    CLONE_NEWPID | CLONE_NEWNET))

static void cleanup_filter(scmp_filter_ctx *filter)
{
    if (*filter)
        seccomp_release(*filter);
}
#define _cleanup_filter_ __attribute__((cleanup(cleanup_filter)))

static bool is_asked(const char *const *asked, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(asked[i], word) == 0)
            return true;
    }
    return false;
}

static int allow_clone(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACE_FLAGS, 0));
}

/* Of the families, packet sockets above all (they see every frame) and the rarely used ones, in
 * which most holes of the last years were, are left out. */
static int allow_socket(scmp_filter_ctx filter, int call)
{
    static const scmp_datum_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, families[i]));
    return r;
}

/* Calls of which only some arguments are allowed, unless the manifest asks for the rest. */
static const struct restricted {
    const char *call;
    const char *freed_by;
    int (*allow)(scmp_filter_ctx filter, int call);
} restricted[] = {
    { "clone", "@namespaces", allow_clone },
    { "socket", "@packet", allow_socket },
};

static int allow_call(scmp_filter_ctx filter, const char *name, const char *const *asked,
                      size_t count)
{
    int call = seccomp_syscall_resolve_name(name);

    /* Negative numbers are calls of other processors. */
    if (call == __NR_SCMP_ERROR || call < 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(restricted); i++) {
        if (strcmp(restricted[i].call, name) == 0 &&
            !is_asked(asked, count, restricted[i].freed_by))
            return restricted[i].allow(filter, call);
    }
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow_group(scmp_filter_ctx filter, const struct confine_syscall_group *group,
                       const char *const *asked, size_t count)
{
    int r = 0;

    for (const char *const *call = group->calls; r == 0 && *call; call++)
        r = allow_call(filter, *call, asked, count);
    return r;
}

static int load_allowlist(const char *const *asked, size_t count)
{
    _cleanup_filter_ scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < confine_syscall_group_count; i++) {
        const struct confine_syscall_group *group = &confine_syscall_groups[i];

        if (group->always || is_asked(asked, count, group->name))
            r = allow_group(filter, group, asked, count);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (asked[i][0] != '@')
            r = allow_call(filter, asked[i], asked, count);
    }
    return r < 0 ? r : seccomp_load(filter);
}

/* The flags of clone3 lie behind a pointer, where no filter sees them. The C library falls back to
 * clone when the call does not exist. A filter of its own, because this refusal is no news: every
 * thread of every service would be a line in the log. */
static int load_clone3(void)
{
    _cleanup_filter_ scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int r =
        filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : -ENOMEM;

    return r < 0 ? r : seccomp_load(filter);
}

int confine_filter_load(const char *const *asked, size_t count, struct failure *f)
{
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        if (!confine_syscall_is_known(asked[i]))
            return failure_set(f, CODE_CONFINE, -EINVAL, "'%s' is no known system call", asked[i]);
    }
    if (!is_asked(asked, count, "@namespaces"))
        r = load_clone3();
    if (r == 0)
        r = load_allowlist(asked, count);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot set up the filter of system calls") : 0;
}

int confine_set_filter(struct confine *c, struct failure *f)
{
    const struct schema_list *asked = &c->manifest->confine.syscalls;

    return confine_filter_load((const char *const *)asked->items, asked->count, f);
}
