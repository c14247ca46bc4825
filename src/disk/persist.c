#include "disk/persist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/line.h"
#include "disk/subvolume.h"
#include "sys/mount.h"

enum { PATH_SIZE = 256, GENERATION_MAX = 128 };

#define LAST_GENERATION "@broch/last-generation"
#define SNAPSHOTS       "@snapshots"
#define SNAPSHOTS_OF    "@broch/" PERSIST_SNAPSHOTS_OF
#define SNAPSHOTS_FOR   "@broch/" PERSIST_SNAPSHOTS_FOR
#define FRESH           ".new" /* a set that is being taken */

static int fail(struct failure *f, enum code code, int r, const char *what)
{
    return failure_set(f, code, r, "%s: %s", what, strerror(-r));
}

/* --- Making --- */

/* In the child: the verified root becomes the root, and its mkfs takes over. Descriptors are marked
 * to close; standard output goes nowhere, errors go to the console. */
__attribute__((noreturn)) static void become_mkfs(const char *root, const char *device,
                                                  const char *uuid)
{
    char program[] = "/usr/sbin/mkfs.btrfs", quiet[] = "--quiet", force[] = "--force";
    char no_discard[] = "--nodiscard", option[] = "--uuid", label[] = "--label", name[] = "broch";
    char path[] = "PATH=/usr/sbin:/usr/bin";
    char uuid_copy[BINDING_UUID_SIZE], device_copy[64];
    struct line u = line_make(uuid_copy, sizeof(uuid_copy));
    struct line d = line_make(device_copy, sizeof(device_copy));
    char *const arguments[] = { program,   quiet, force, no_discard,  option,
                                uuid_copy, label, name,  device_copy, NULL };
    char *const environment[] = { path, NULL };

    line_add(&u, uuid);
    line_add(&d, device);
    if (!u.cut && !d.cut && chroot(root) == 0 && chdir("/") == 0)
        (void)execve(program, arguments, environment); /* only comes back with an error */
    _exit(127);
}

static int run_mkfs(const char *root, const char *device, const char *uuid, struct failure *f)
{
    pid_t child = fork();
    int status;

    if (child < 0)
        return fail(f, CODE_PERSIST_MAKE, -errno, "mkfs.btrfs cannot be started");
    if (child == 0)
        become_mkfs(root, device, uuid);
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return fail(f, CODE_PERSIST_MAKE, -errno, "mkfs.btrfs is lost");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failure_set(f, CODE_PERSIST_MAKE, -EIO, "mkfs.btrfs ended with status %d",
                           WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return 0;
}

/* mkfs looks at the device, at what is mounted, and at what kind of disk it is. */
static const char *const borrowed[] = { "/dev", "/proc", "/sys" };

static int lend(const char *root, bool back)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(borrowed); i++) {
        char path[PATH_SIZE];
        struct line l = line_make(path, sizeof(path));

        line_addf(&l, "%s%s", root, borrowed[i]);
        if (back)
            (void)umount2(path, MNT_DETACH); /* one that is not mounted is fine */
        else if (mount(borrowed[i], path, NULL, MS_BIND, NULL) < 0)
            r = -errno;
    }
    return r;
}

static int make_entry(int folder_fd, const char *name, bool subvolume)
{
    if (subvolume)
        return subvolume_create(folder_fd, name);
    return mkdirat(folder_fd, name, 0755) < 0 ? -errno : 0;
}

static int make_entries(const char *folder, struct failure *f)
{
    static const struct {
        const char *name;
        bool subvolume;
    } entries[] = { { "@var", true },    { "@home", true },     { "@broch", true },
                    { "@roots", false }, { "@scratch", false }, { SNAPSHOTS, false } };
    _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(entries); i++) {
        r = make_entry(fd, entries[i].name, entries[i].subvolume);
        if (r == -EEXIST)
            r = 0;
    }
    /* Where @broch is mounted, inside @var. */
    if (r == 0 && ((mkdirat(fd, "@var/lib", 0755) < 0 && errno != EEXIST) ||
                   (mkdirat(fd, "@var/lib/broch", 0755) < 0 && errno != EEXIST)))
        r = -errno;
    if (r == 0 && syncfs(fd) < 0)
        r = -errno;
    return r < 0 ? fail(f, CODE_PERSIST_MAKE, r, "the subvolumes cannot be made") : 0;
}

int persist_make_filesystem(const char *device, const char *uuid, const char *root,
                            const char *folder, struct failure *f)
{
    int r = lend(root, false);

    if (r < 0)
        (void)failure_set(f, CODE_PERSIST_MAKE, r, "mkfs.btrfs cannot be given its devices");
    else
        r = run_mkfs(root, device, uuid, f);
    (void)lend(root, true); /* its way back cannot fail */
    if (r == 0)
        r = persist_mount(device, uuid, folder, f);
    if (r < 0)
        return r;
    r = make_entries(folder, f);
    if (umount2(folder, 0) < 0 && r == 0)
        r = fail(f, CODE_PERSIST_MAKE, -errno, folder);
    return r;
}

/* --- Mounting --- */

static int check_uuid(const char *folder, const char *uuid, struct failure *f)
{
    struct btrfs_ioctl_fs_info_args info = { .num_devices = 0 };
    char digits[2 * BTRFS_FSID_SIZE + 1], text[BINDING_UUID_SIZE];
    struct line l = line_make(text, sizeof(text));
    _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
        return fail(f, CODE_PERSIST_MOUNT, -errno, "the filesystem does not tell its UUID");
    hex_encode(info.fsid, BTRFS_FSID_SIZE, digits);
    line_addf(&l, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16,
              digits + 20);
    if (strcmp(text, uuid) == 0 && info.num_devices == 1)
        return 0;
    return failure_set(f, CODE_PERSIST_BINDING, -EKEYREJECTED,
                       "the filesystem is %s of %llu devices instead of %s", text,
                       (unsigned long long)info.num_devices, uuid);
}

int persist_mount(const char *device, const char *uuid, const char *folder, struct failure *f)
{
    const struct mount_request whole = { device, folder, "btrfs",
                                         MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL };
    int r = mount_make(&whole);

    if (r < 0)
        return fail(f, CODE_PERSIST_MOUNT, r, "the filesystem cannot be mounted");
    r = check_uuid(folder, uuid, f);
    if (r < 0)
        (void)umount2(folder, MNT_DETACH); /* the refusal is the one to tell */
    return r;
}

int persist_mount_root(const char *device, const char *root, struct failure *f)
{
    static const struct {
        const char *target, *options;
        unsigned long flags;
    } mounts[] = { { "/var", "subvol=/@var", MS_NOSUID | MS_NODEV },
                   { "/home", "subvol=/@home", MS_NOSUID | MS_NODEV },
                   { "/var/lib/broch", "subvol=/@broch", MS_NOSUID | MS_NODEV } };

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        char path[PATH_SIZE];
        struct line l = line_make(path, sizeof(path));
        const struct mount_request request = { device, path, "btrfs", mounts[i].flags | MS_NOATIME,
                                               mounts[i].options };
        int r;

        line_addf(&l, "%s%s", root, mounts[i].target);
        CHECK(!l.cut);
        r = mount_make(&request);
        if (r < 0)
            return fail(f, CODE_PERSIST_MOUNT, r, mounts[i].target);
    }
    return 0;
}

/* --- Generations --- */

/* A note names a generation; empty: there is none. It becomes the name of a folder, so a text that
 * cannot be one is no note of ours. */
static int read_note(int folder_fd, const char *path, char ret[static GENERATION_MAX + 1])
{
    _cleanup_close_ int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size;

    ret[0] = '\0';
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    size = read(fd, ret, GENERATION_MAX);
    if (size < 0)
        return -errno;
    ret[size] = '\0';
    if (strchr(ret, '/') || ret[0] == '.')
        ret[0] = '\0';
    return 0;
}

static int write_note(int folder_fd, const char *path, const char *generation)
{
    char fresh[PATH_SIZE];
    struct line l = line_make(fresh, sizeof(fresh));
    _cleanup_close_ int fd = -1;
    size_t size = strlen(generation);

    line_addf(&l, "%s.new", path);
    fd = openat(folder_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    if (write(fd, generation, size) != (ssize_t)size || fsync(fd) < 0)
        return errno ? -errno : -EIO;
    return renameat(folder_fd, fresh, folder_fd, path) < 0 ? -errno : 0;
}

static int remove_snapshots(int snapshots_fd, const char *name)
{
    _cleanup_close_ int fd =
        openat(snapshots_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = subvolume_delete(fd, "var");
    if (r == 0)
        r = subvolume_delete(fd, "broch");
    if (r == 0 && unlinkat(snapshots_fd, name, AT_REMOVEDIR) < 0)
        r = -errno;
    return r;
}

static int remove_all(int snapshots_fd)
{
    int copy = fcntl(snapshots_fd, F_DUPFD_CLOEXEC, 0), r = 0;
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!folder) {
        r = -errno;
        if (copy >= 0)
            (void)close(copy); /* read only */
        return r;
    }
    while (r == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.')
            r = remove_snapshots(snapshots_fd, entry->d_name);
    }
    (void)closedir(folder); /* read only */
    return r;
}

static int take_one(int folder_fd, int target_fd, const char *subvolume, const char *name)
{
    _cleanup_close_ int fd =
        openat(folder_fd, subvolume, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    return subvolume_snapshot(fd, target_fd, name);
}

/* Taken beside, and whole on the disk before the former set goes. */
static int take_snapshots(int folder_fd, int snapshots_fd, const char *name)
{
    _cleanup_close_ int fd = -1;
    int r = remove_snapshots(snapshots_fd, FRESH);

    if (r == 0 && mkdirat(snapshots_fd, FRESH, 0700) < 0)
        r = -errno;
    if (r < 0)
        return r;
    fd = openat(snapshots_fd, FRESH, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    r = take_one(folder_fd, fd, "@var", "var");
    if (r == 0)
        r = take_one(folder_fd, fd, "@broch", "broch");
    if (r == 0 && syncfs(folder_fd) < 0)
        r = -errno;
    if (r == 0)
        r = remove_all(snapshots_fd);
    return r == 0 && renameat(snapshots_fd, FRESH, snapshots_fd, name) < 0 ? -errno : r;
}

/* The state as the former generation left it is here already. */
static int is_kept(int folder_fd, int snapshots_fd, const char *last, const char *generation,
                   bool *ret)
{
    char taken_for[GENERATION_MAX + 1];
    int r = read_note(folder_fd, SNAPSHOTS_FOR, taken_for);

    *ret = faccessat(snapshots_fd, generation, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
           (strcmp(taken_for, generation) == 0 &&
            faccessat(snapshots_fd, last, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    return r;
}

static int keep_state(int folder_fd, int snapshots_fd, const char *last, const char *generation)
{
    int r = take_snapshots(folder_fd, snapshots_fd, last);

    if (r == 0)
        r = write_note(folder_fd, SNAPSHOTS_OF, last);
    return r < 0 ? r : write_note(folder_fd, SNAPSHOTS_FOR, generation);
}

int persist_note_generation(int folder_fd, const char *generation, bool *ret, struct failure *f)
{
    char last[GENERATION_MAX + 1];
    bool kept = true;
    _cleanup_close_ int snapshots_fd =
        openat(folder_fd, SNAPSHOTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = snapshots_fd < 0 ? -errno : read_note(folder_fd, LAST_GENERATION, last);

    *ret = false;
    if (r == 0 && strcmp(last, generation) == 0)
        return 0;
    if (r == 0 && last[0])
        r = is_kept(folder_fd, snapshots_fd, last, generation, &kept);
    if (r == 0 && !kept) {
        r = keep_state(folder_fd, snapshots_fd, last, generation);
        *ret = r == 0;
    }
    if (r == 0)
        r = write_note(folder_fd, LAST_GENERATION, generation);
    if (r == 0 && syncfs(folder_fd) < 0)
        r = -errno;
    return r < 0 ? fail(f, CODE_PERSIST_SNAPSHOT, r, "the state cannot be kept as it was") : 0;
}
