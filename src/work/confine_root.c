#include "work/confine_part.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "work/confine_plan.h"

/* Where the new root is put together. Every service has it in a mount namespace of its own. */
static const char staging[] = "/run/confine";

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

int confine_leave_namespaces(struct confine *c, struct failure *f)
{
    int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP;

    /* Not the process ids: the supervisor signals the one that it started, and hidepid hides the
     * others. Not the host name: nobody but root changes it, and a service should see it change. */
    if (c->manifest->network.mode == WORK_NETWORK_NONE)
        flags |= CLONE_NEWNET;
    if (unshare(flags) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot leave the machine's namespaces");
    /* Nothing that is mounted here is seen outside, and the other way round. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot part from the machine's mounts");
    return 0;
}

int confine_raise_loopback(struct confine *c, struct failure *f)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    _cleanup_close_ int fd = -1;

    if (c->manifest->network.mode != WORK_NETWORK_NONE)
        return 0;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot bring up the interface 'lo'");
    return 0;
}

/* No link on the way is followed: a folder that a service may write to must not lead elsewhere. */
static int open_place(int root_fd, const char *path)
{
    const struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                   (uint64_t)(root_fd == AT_FDCWD ? 0 : RESOLVE_IN_ROOT),
    };
    long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

/* Makes the folders that hold `path`; what exists is left alone, whatever it is: opening it later
 * tells. */
static int make_parents(int root_fd, const char *path)
{
    char part[PATH_MAX];

    if (strlen(path) >= sizeof(part))
        return -ENAMETOOLONG;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path) - 1;

        memcpy(part, path + 1, length);
        part[length] = '\0';
        if (mkdirat(root_fd, part, 0755) < 0 && errno != EEXIST && errno != EROFS)
            return -errno;
    }
    return 0;
}

/* A mount point of the kind that the source is. */
static int make_point(int root_fd, const char *path, bool is_folder, mode_t mode)
{
    _cleanup_close_ int fd = -1;
    int r = make_parents(root_fd, path);

    if (r < 0)
        return r;
    if (is_folder)
        return mkdirat(root_fd, path + 1, mode) < 0 && errno != EEXIST && errno != EROFS ? -errno
                                                                                         : 0;
    fd = openat(root_fd, path + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    return fd < 0 && errno != EEXIST && errno != EROFS ? -errno : 0;
}

static int put_link(int root_fd, const struct confine_place *place)
{
    char target[PATH_MAX];
    ssize_t length = 0;
    int r = make_parents(root_fd, place->path);

    if (r < 0)
        return r;
    if (place->kind == CONFINE_LINK)
        return symlinkat(place->source, root_fd, place->path + 1) < 0 ? -errno : 0;
    length = readlink(place->path, target, sizeof(target) - 1);
    if (length < 0)
        return errno == EINVAL ? 0 : -errno; /* no link: then it is no part of this tree */
    target[length] = '\0';
    return symlinkat(target, root_fd, place->path + 1) < 0 ? -errno : 0;
}

/* The attributes are set while nobody can reach the mount yet. */
static int attach_copy(int source_fd, int root_fd, const struct confine_place *place)
{
    struct mount_attr attributes = { .attr_set = place->attributes, .propagation = MS_PRIVATE };
    unsigned recursive = place->whole ? AT_RECURSIVE : 0;
    _cleanup_close_ int target_fd = -1, tree_fd = -1;

    tree_fd =
        open_tree(source_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
    if (tree_fd < 0 ||
        mount_setattr(tree_fd, "", AT_EMPTY_PATH | recursive, &attributes, sizeof(attributes)) < 0)
        return -errno;
    target_fd = open_place(root_fd, place->path);
    if (target_fd < 0)
        return target_fd;
    return move_mount(tree_fd, "", target_fd, "",
                      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
               ? -errno
               : 0;
}

static int make_source(const struct confine *c, const char *path)
{
    if (mkdir(path, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    return lchown(path, c->uid, c->gid) < 0 ? -errno : 0;
}

static int put_bind(const struct confine *c, int root_fd, const struct confine_place *place)
{
    const char *source = place->source ? place->source : place->path;
    _cleanup_close_ int fd = open_place(AT_FDCWD, source);
    struct stat status;
    int r;

    if (fd == -ENOENT && place->make_source) {
        r = make_source(c, source);
        if (r < 0)
            return r;
        fd = open_place(AT_FDCWD, source);
    }
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) < 0)
        return -errno;
    r = make_point(root_fd, place->path, S_ISDIR(status.st_mode), 0755);
    return r < 0 ? r : attach_copy(fd, root_fd, place);
}

static int put_seal(int root_fd, const struct confine_place *place)
{
    _cleanup_close_ int fd = open_place(root_fd, place->path);

    return fd < 0 ? fd : attach_copy(fd, root_fd, place);
}

static int put_filesystem(int root_fd, const struct confine_place *place)
{
    static const char *const types[] = {
        [CONFINE_MEMORY] = "tmpfs",
        [CONFINE_PROC] = "proc",
        [CONFINE_SYS] = "sysfs",
    };
    const unsigned long flags = ((place->attributes & MOUNT_ATTR_RDONLY) != 0 ? MS_RDONLY : 0) |
                                MS_NOSUID | MS_NODEV |
                                MS_NOEXEC; /* none of these ever holds programs or devices */
    const char *type = types[place->kind];
    _cleanup_close_ int fd = -1;
    char path[64];
    int r;

    /* What is hidden must be there already: it is no part of this tree's own skeleton. */
    r = place->optional ? 0 : make_point(root_fd, place->path, true, 0755);
    if (r < 0)
        return r;
    fd = open_place(root_fd, place->path);
    if (fd < 0)
        return fd;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return mount(type, path, type, flags, place->options) < 0 ? -errno : 0;
}

static int put(const struct confine *c, int root_fd, const struct confine_place *place)
{
    switch (place->kind) {
    case CONFINE_FOLDER:
        return make_point(root_fd, place->path, true, place->mode);
    case CONFINE_LINK:
    case CONFINE_COPY_LINK:
        return put_link(root_fd, place);
    case CONFINE_BIND:
        return put_bind(c, root_fd, place);
    case CONFINE_SEAL:
        return put_seal(root_fd, place);
    case CONFINE_MEMORY:
    case CONFINE_PROC:
    case CONFINE_SYS:
        return put_filesystem(root_fd, place);
    }
    return -EINVAL;
}

static int fill_root(const struct confine *c, int root_fd, struct failure *f)
{
    static struct confine_plan plan; /* large, and used once in a process */
    int r = confine_plan_make(c, &plan, f);

    for (size_t i = 0; r == 0 && i < plan.count; i++) {
        r = put(c, root_fd, &plan.places[i]);
        if (r == -ENOENT && plan.places[i].optional)
            r = 0;
        if (r < 0)
            return failure_set(f, CODE_CONFINE, r, "cannot put '%s' into the service's root",
                               plan.places[i].path);
    }
    return r;
}

/* The old root is under the new one for a moment, and is then let go. */
static int change_root(int root_fd)
{
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

    if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ||
        mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
        return -errno;
    /* The one that came from outside lies in no tree that the service has. The lowest free
     * descriptor is the one that was just closed. */
    (void)close(STDIN_FILENO);
    if (open("/dev/null", O_RDONLY | O_NOCTTY | O_CLOEXEC) != STDIN_FILENO ||
        fcntl(STDIN_FILENO, F_SETFD, 0) < 0)
        return -EBADF;
    return 0;
}

int confine_enter_root(struct confine *c, struct failure *f)
{
    _cleanup_close_ int root_fd = -1;
    int r;

    if (mkdir(staging, 0700) < 0 && errno != EEXIST)
        return failure_set(f, CODE_CONFINE, -errno, "cannot make '%s'", staging);
    if (mount("root", staging, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0755,size=1m,nr_inodes=256") < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot mount a root on '%s'", staging);
    root_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return failure_set(f, CODE_CONFINE, -errno, "cannot open '%s'", staging);
    r = fill_root(c, root_fd, f);
    if (r < 0)
        return r;
    r = change_root(root_fd);
    return r < 0 ? failure_set(f, CODE_CONFINE, r, "cannot enter the service's root") : 0;
}
