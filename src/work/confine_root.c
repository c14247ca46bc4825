#include "work/confine_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Its own folder, of its own user, closed to all others. Opened before it is changed: the last
 * component is never followed. */
static int own_folder(const struct confine *c, const char *path, struct failure *f)
{
    _cleanup_close_ int fd = -1;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return failure_set(f, CODE_CONFINE, -errno, "cannot make '%s'", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, c->uid, c->gid) < 0 || fchmod(fd, 0700) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot give '%s' to user '%s'", path,
                           c->manifest->user);
    return 0;
}

static bool is_mount_point(const char *path)
{
    struct statx status;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &status) < 0)
        return false;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* A filesystem of its own bounds it; it is mounted once in a boot and kept over restarts. */
static int bound_scratch(const struct confine *c, struct failure *f)
{
    char options[96];

    if (c->manifest->scratch.size == 0 || is_mount_point(c->scratch))
        return 0;
    (void)snprintf(options, sizeof(options), "mode=0700,size=%llu",
                   (unsigned long long)c->manifest->scratch.size);
    if (mount("scratch", c->scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot mount a filesystem on '%s'",
                           c->scratch);
    return 0;
}

int confine_make_scratch(struct confine *c, struct failure *f)
{
    const struct service_manifest *m = c->manifest;
    int r;

    c->scratch[0] = '\0';
    if (m->scratch.class == WORK_SCRATCH_NONE)
        return 0;
    (void)snprintf(c->scratch, sizeof(c->scratch), "%s/%s",
                   m->scratch.class == WORK_SCRATCH_EPHEMERAL ? "/run" : "/var/lib", m->name);
    r = own_folder(c, c->scratch, f);
    if (r < 0 || m->scratch.class != WORK_SCRATCH_EPHEMERAL)
        return r;
    r = bound_scratch(c, f);
    return r < 0 ? r : own_folder(c, c->scratch, f); /* of the filesystem that covers it now */
}
