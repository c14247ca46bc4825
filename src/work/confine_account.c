#include "work/confine_part.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "work/confine_names.h"

enum { RECORD_SIZE = 16384 };

/* A service without a `user` line has a number that follows from its name, whether the user
 * database knows it or not: the machine's own services have no line there. */
int confine_account(struct confine *c, struct failure *f)
{
    const struct service_manifest *m = c->manifest;
    struct passwd record, *found = NULL;
    char buffer[RECORD_SIZE];
    int r = getpwnam_r(m->user, &record, buffer, sizeof(buffer), &found);

    c->group_count = 0;
    if (!found && m->user_is_own) {
        c->uid = service_manifest_uid(m->name);
        c->gid = c->uid;
        c->groups[c->group_count++] = c->gid;
        return 0;
    }
    if (!found)
        return failure_set(f, CODE_CONFINE, r > 0 ? -r : -ENOENT, "there is no user '%s'", m->user);
    c->uid = record.pw_uid;
    c->gid = record.pw_gid;
    c->group_count = CONFINE_GROUPS_MAX;
    if (getgrouplist(m->user, c->gid, c->groups, &c->group_count) < 0)
        return failure_set(f, CODE_CONFINE, -ERANGE, "'%s' is in more than %d groups", m->user,
                           CONFINE_GROUPS_MAX);
    return 0;
}

static int wanted_capabilities(const struct service_manifest *m, uint64_t *ret, struct failure *f)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < m->confine.capabilities.count; i++) {
        int number = confine_capability_by_name(m->confine.capabilities.items[i]);

        if (number < 0)
            return failure_set(f, CODE_CONFINE, number, "'%s' is no capability",
                               m->confine.capabilities.items[i]);
        wanted |= UINT64_C(1) << number;
    }
    *ret = wanted;
    return 0;
}

/* What is not in the bounding set can never be had again, whatever program is executed. */
static int shrink_bounding_set(uint64_t wanted)
{
    for (unsigned number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) {
        if ((wanted >> number & 1) == 0 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

static int set_capabilities(uint64_t wanted)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = {
        { (uint32_t)wanted, (uint32_t)wanted, (uint32_t)wanted },
        { (uint32_t)(wanted >> 32), (uint32_t)(wanted >> 32), (uint32_t)(wanted >> 32) },
    };

    if (syscall(SYS_capset, &header, data) < 0)
        return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -errno;
    for (unsigned number = 0; number < 64; number++) {
        if ((wanted >> number & 1) != 0 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

/* User 0 is a user like all others: it gets no capability by being executed, and none by becoming
 * it. Locked, so that no program undoes it. KEEP_CAPS stays off, and stays so. */
#define SECURE_BITS                                                                                \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |                        \
     SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int change_user(const struct confine *c)
{
    if (setgroups((size_t)c->group_count, c->groups) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
        setresuid(c->uid, c->uid, c->uid) < 0)
        return -errno;
    return 0;
}

/* Capabilities must survive the change of user, so that those which are wanted can be passed on;
 * setpcap is needed to the last, for the bits, and goes with capset. */
static int become_strict(const struct confine *c, uint64_t wanted)
{
    int r = shrink_bounding_set(wanted);

    if (r == 0 && prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0) < 0)
        r = -errno;
    if (r == 0)
        r = change_user(c);
    if (r == 0) {
        /* KEEP_CAPS kept the permitted set; the effective one was lost with user 0. */
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
            return -errno;
        data[0].effective = data[0].permitted;
        data[1].effective = data[1].permitted;
        if (syscall(SYS_capset, &header, data) < 0 ||
            prctl(PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0) < 0)
            return -errno;
        r = set_capabilities(wanted);
    }
    return r;
}

int confine_become(struct confine *c, struct failure *f)
{
    uint64_t wanted = 0;
    int r = wanted_capabilities(c->manifest, &wanted, f);

    if (r < 0)
        return r;
    if (c->strict)
        r = become_strict(c, wanted);
    else if (c->uid != 0 || c->gid != 0)
        r = change_user(c);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot become user '%s' with what it may do",
                               c->manifest->user)
                 : 0;
}

int confine_no_new_privileges(struct confine *c, struct failure *f)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot give up new privileges");
    return 0;
}
