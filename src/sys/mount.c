#include "sys/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"

enum {
    TREE_DEPTH_MAX = 12,       /* an initramfs of ours is five folders deep */
    ENTRIES_BUFFER_SIZE = 2048 /* per level, on the stack */
};

int mount_make(const struct mount_request *r)
{
    if (mkdir(r->target, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (mount(r->source, r->target, r->type, r->flags, r->options) < 0)
        return -errno;
    return 0;
}

int mount_move(const char *from, const char *to)
{
    return mount(from, to, NULL, MS_MOVE, NULL) < 0 ? -errno : 0;
}

int mount_detach(const char *target)
{
    return umount2(target, MNT_DETACH) < 0 ? -errno : 0;
}

static void empty_folder(int folder_fd, dev_t device, unsigned depth);

static void remove_entry(int folder_fd, const char *name, dev_t device, unsigned depth)
{
    struct stat status;
    int fd;

    if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || status.st_dev != device)
        return;
    if (!S_ISDIR(status.st_mode)) {
        (void)unlinkat(folder_fd, name, 0); /* what stays costs memory, no more */
        return;
    }
    fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    empty_folder(fd, device, depth + 1);
    (void)close(fd); /* read only */
    (void)unlinkat(folder_fd, name, AT_REMOVEDIR);
}

/* Names are taken one buffer at a time; tmpfs and ramfs keep a stable order while entries go. */
static void empty_folder(int folder_fd, dev_t device, unsigned depth)
{
    _Alignas(struct dirent64) char buffer[ENTRIES_BUFFER_SIZE];
    ssize_t size;

    if (depth > TREE_DEPTH_MAX)
        return;
    while ((size = getdents64(folder_fd, buffer, sizeof(buffer))) > 0) {
        for (size_t offset = 0; offset < (size_t)size;) {
            const struct dirent64 *entry = (const void *)(buffer + offset);

            offset += entry->d_reclen;
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                remove_entry(folder_fd, entry->d_name, device, depth);
        }
    }
}

void mount_empty_folder(int folder_fd)
{
    struct stat status;

    if (fstat(folder_fd, &status) == 0)
        empty_folder(folder_fd, status.st_dev, 0);
    (void)close(folder_fd); /* read only */
}

static bool is_memory(int fd)
{
    struct statfs status;

    return fstatfs(fd, &status) == 0 &&
           (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

static int move_all(const char *new_root, const char *const moved[])
{
    char target[256];

    for (size_t i = 0; moved[i]; i++) {
        struct line l = line_make(target, sizeof(target));
        int r;

        line_add(&l, new_root);
        line_add(&l, moved[i]);
        CHECK(!l.cut);
        r = mount_move(moved[i], target);
        if (r < 0)
            return r;
    }
    return 0;
}

int mount_switch_root(const char *new_root, const char *const moved[])
{
    _cleanup_close_ int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (old_root < 0)
        return -errno;
    r = move_all(new_root, moved);
    if (r < 0)
        return r;
    /* The root of an initramfs cannot be unmounted or pivoted away: cover it and go in. */
    if (chdir(new_root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        return -errno;
    if (is_memory(old_root))
        mount_empty_folder(take_fd(&old_root));
    return 0;
}
