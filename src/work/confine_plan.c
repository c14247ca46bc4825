#include "work/confine_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/check.h"

#define SAFE      (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define DATA      (SAFE | MOUNT_ATTR_NOEXEC)
#define READ_ONLY MOUNT_ATTR_RDONLY
#define DEVICE    (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/* Counted in the service's memory limit; these bound them when there is none. */
#define SCRATCH_OPTIONS "mode=1777,size=64m,nr_inodes=16k"
/* Nothing can be seen in it or put into it. */
#define HIDDEN_OPTIONS "mode=0000,size=4k,nr_inodes=1"

static const struct confine_place before[] = {
    /* Programs and settings of the image */
    { CONFINE_COPY_LINK, "/bin", .optional = true },
    { CONFINE_COPY_LINK, "/sbin", .optional = true },
    { CONFINE_COPY_LINK, "/lib", .optional = true },
    { CONFINE_COPY_LINK, "/lib32", .optional = true },
    { CONFINE_COPY_LINK, "/lib64", .optional = true },
    { CONFINE_BIND, "/usr", .attributes = READ_ONLY | SAFE, .whole = true },
    { CONFINE_BIND, "/opt", .attributes = READ_ONLY | SAFE, .whole = true, .optional = true },
    { CONFINE_BIND, "/etc", .attributes = READ_ONLY | DATA, .whole = true },
    { CONFINE_MEMORY, "/etc/broch/secrets", .attributes = READ_ONLY | DATA,
      .options = HIDDEN_OPTIONS, .optional = true },

    /* Other processes are not seen, and the kernel's settings are not changed: many of those
     * belong to user 0, whatever capabilities it has. */
    { CONFINE_PROC, "/proc", .attributes = DATA, .options = "hidepid=invisible" },
    { CONFINE_SEAL, "/proc/sys", .attributes = READ_ONLY | DATA },
    { CONFINE_SEAL, "/proc/irq", .attributes = READ_ONLY | DATA, .optional = true },
    { CONFINE_SEAL, "/proc/bus", .attributes = READ_ONLY | DATA, .optional = true },
    { CONFINE_SEAL, "/proc/fs", .attributes = READ_ONLY | DATA, .optional = true },
    { CONFINE_SEAL, "/proc/acpi", .attributes = READ_ONLY | DATA, .optional = true },
    { CONFINE_SEAL, "/proc/sysrq-trigger", .attributes = READ_ONLY | DATA, .optional = true },
    /* Anew, so that it shows the interfaces of the service's own network. */
    { CONFINE_SYS, "/sys", .attributes = READ_ONLY | DATA },
    { CONFINE_BIND, "/sys/fs/cgroup", .attributes = READ_ONLY | DATA, .optional = true },

    { CONFINE_FOLDER, "/dev", .mode = 0755 },
    { CONFINE_BIND, "/dev/null", .attributes = DEVICE },
    { CONFINE_BIND, "/dev/zero", .attributes = DEVICE },
    { CONFINE_BIND, "/dev/full", .attributes = DEVICE },
    { CONFINE_BIND, "/dev/random", .attributes = DEVICE },
    { CONFINE_BIND, "/dev/urandom", .attributes = DEVICE },
    { CONFINE_LINK, "/dev/fd", "/proc/self/fd" },
    { CONFINE_LINK, "/dev/stdin", "/proc/self/fd/0" },
    { CONFINE_LINK, "/dev/stdout", "/proc/self/fd/1" },
    { CONFINE_LINK, "/dev/stderr", "/proc/self/fd/2" },
    { CONFINE_COPY_LINK, "/dev/log", .optional = true },
    { CONFINE_MEMORY, "/dev/shm", .attributes = DATA, .options = SCRATCH_OPTIONS },

    { CONFINE_MEMORY, "/tmp", .attributes = DATA, .options = SCRATCH_OPTIONS },
    { CONFINE_MEMORY, "/var/tmp", .attributes = DATA, .options = SCRATCH_OPTIONS },
    { CONFINE_FOLDER, "/home", .mode = 0755 },
    { CONFINE_FOLDER, "/root", .mode = 0700 },
    { CONFINE_FOLDER, "/run/lock", .mode = 0755 },
    { CONFINE_FOLDER, "/var/cache", .mode = 0755 },
    { CONFINE_FOLDER, "/var/empty", .mode = 0755 },
    { CONFINE_FOLDER, "/var/lib", .mode = 0755 },
    { CONFINE_FOLDER, "/var/log", .mode = 0755 },
    { CONFINE_FOLDER, "/var/spool", .mode = 0755 },
    { CONFINE_LINK, "/var/run", "/run" },
    { CONFINE_LINK, "/var/lock", "/run/lock" },
    /* Facts of this boot, resolver and time zone. Without the mounts below it: the secrets. */
    { CONFINE_BIND, "/run/broch", .attributes = READ_ONLY | DATA },
};

static void add(struct confine_plan *plan, const struct confine_place *place)
{
    CHECK(plan->count < CONFINE_PLACES_MAX);
    plan->places[plan->count++] = *place;
}

/* A machine's own program may lie anywhere; of its folder nothing else is shown. */
static bool is_visible(const char *program)
{
    static const char *const shown[] = { "/usr/", "/opt/", "/bin/", "/sbin/" };

    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        if (strncmp(program, shown[i], strlen(shown[i])) == 0)
            return true;
    }
    return false;
}

int confine_plan_make(const struct confine *c, struct confine_plan *ret, struct failure *f)
{
    const struct service_manifest *m = c->manifest;

    ret->count = 0;
    if (ARRAY_SIZE(before) + m->confine.devices.count + m->confine.write.count + 2 >
        CONFINE_PLACES_MAX)
        return failure_set(f, CODE_CONFINE, -ERANGE, "too many paths in 'write' and 'devices'");
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        add(ret, &before[i]);
    for (size_t i = 0; i < m->confine.devices.count; i++)
        add(ret, &(struct confine_place){ CONFINE_BIND, m->confine.devices.items[i],
                                          .attributes = DEVICE });
    if (!is_visible(m->run.items[0]))
        add(ret, &(struct confine_place){ CONFINE_BIND, m->run.items[0],
                                          .attributes = READ_ONLY | SAFE });
    if (c->scratch[0] != '\0')
        add(ret, &(struct confine_place){ CONFINE_BIND, c->scratch, .attributes = DATA });
    for (size_t i = 0; i < m->confine.write.count; i++)
        add(ret, &(struct confine_place){ CONFINE_BIND, m->confine.write.items[i],
                                          .attributes = DATA, .make_source = true });
    return 0;
}
