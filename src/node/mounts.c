#include "node/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/cursor.h"

#define HARD (MS_NOSUID | MS_NODEV | MS_NOEXEC)

const struct mounts_entry mounts_table[] = {
    { "/proc", "proc", HARD, NULL, MOUNTS_NEEDED, false },
    { "/sys", "sysfs", HARD, NULL, MOUNTS_NEEDED, false },
    { "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755", MOUNTS_NEEDED, false },
    { "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=20%", MOUNTS_NEEDED, false },
    { "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666", MOUNTS_USEFUL,
      true },
    { "/dev/shm", "tmpfs", HARD, "mode=1777,size=25%", MOUNTS_USEFUL, true },
    { "/dev/mqueue", "mqueue", HARD, NULL, MOUNTS_IF_THERE, true },
    { "/tmp", "tmpfs", HARD, "mode=1777,size=25%", MOUNTS_USEFUL, false },
    { "/var", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=25%", MOUNTS_USEFUL, false },
    { "/home", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=25%", MOUNTS_USEFUL, false },
    { "/sys/fs/cgroup", "cgroup2", HARD, "nsdelegate,memory_recursiveprot", MOUNTS_USEFUL, false },
    { "/sys/kernel/security", "securityfs", HARD, NULL, MOUNTS_IF_THERE, false },
    { "/sys/fs/pstore", "pstore", HARD, NULL, MOUNTS_IF_THERE, false },
    { "/sys/firmware/efi/efivars", "efivarfs", HARD, NULL, MOUNTS_IF_THERE, false },
    /* Secrets of one boot: never on a disk, not even in swap. Made by stage 1: /run/broch. */
    { "/run/broch/secrets", "tmpfs", HARD, "mode=0700,size=1m,noswap", MOUNTS_USEFUL, true },
    /* Run scripts are executed from here, so it does not depend on how /run was mounted. */
    { "/run/service", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=8m", MOUNTS_NEEDED, true },
};
const size_t mounts_table_count = ARRAY_SIZE(mounts_table);

static bool is_mount_point(const char *path)
{
    struct statx status;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &status) < 0)
        return false;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int mounts_make(const struct mounts_entry *entry, struct failure *f)
{
    if (is_mount_point(entry->target))
        return 0;
    if (entry->make && mkdir(entry->target, 0755) < 0 && errno != EEXIST)
        return failure_set(f, CODE_INIT_MOUNT, -errno, "cannot make '%s'", entry->target);
    if (mount(entry->type, entry->target, entry->type, entry->flags, entry->options) < 0)
        return failure_set(f, CODE_INIT_MOUNT, -errno, "cannot mount %s on '%s'", entry->type,
                           entry->target);
    return 0;
}

/* A bind mount takes its flags in a second step only. */
int mounts_bind(const char *from, const char *to, unsigned long flags, struct failure *f)
{
    if (is_mount_point(to))
        return 0;
    if (mount(from, to, NULL, MS_BIND, NULL) < 0)
        return failure_set(f, CODE_INIT_MOUNT, -errno, "cannot mount '%s' on '%s'", from, to);
    if (mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
        return failure_set(f, CODE_INIT_MOUNT, -errno, "cannot restrict the mount '%s'", to);
    return 0;
}

bool mounts_error_is_absence(int error)
{
    return error == -ENODEV || error == -ENOENT || error == -EOPNOTSUPP;
}

/* The kernel writes space, tab, newline and backslash as a backslash and three octal digits. */
static bool unescape(const char *text, size_t length, char *ret)
{
    size_t out = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned value = (unsigned char)text[i];

        if (out + 1 >= MOUNTS_TARGET_SIZE)
            return false;
        if (text[i] == '\\') {
            if (length - i < 4)
                return false;
            value = 0;
            for (size_t k = 1; k <= 3; k++) {
                if (text[i + k] < '0' || text[i + k] > '7')
                    return false;
                value = value << 3 | (unsigned)(text[i + k] - '0');
            }
            i += 3;
        }
        if (value == 0 || value > UINT8_MAX)
            return false;
        ret[out++] = (char)value;
    }
    ret[out] = '\0';
    return out > 0 && ret[0] == '/';
}

int mounts_parse_target(const char *line, size_t length, char ret_target[static MOUNTS_TARGET_SIZE])
{
    enum { TARGET_FIELD = 4 }; /* id, parent, major:minor, root, mount point */
    size_t start = 0;

    for (size_t field = 0; field < TARGET_FIELD; field++) {
        const char *space = memchr(line + start, ' ', length - start);

        if (!space)
            return -EBADMSG;
        start = (size_t)(space - line) + 1;
    }
    for (size_t end = start; end < length; end++) {
        if (line[end] == ' ')
            return unescape(line + start, end - start, ret_target) ? 0 : -EBADMSG;
    }
    return -EBADMSG;
}

bool mounts_is_kept(const char *target)
{
    static const char *const kept[] = { "/", "/proc", "/sys", "/dev", "/run" };

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (strcmp(target, kept[i]) == 0)
            return true;
    }
    return false;
}

static bool let_go(const char *target)
{
    if (umount2(target, UMOUNT_NOFOLLOW) == 0)
        return true;
    /* Something still holds it; read-only means that nothing more can be lost. */
    (void)mount(NULL, target, NULL, MS_REMOUNT | MS_RDONLY, NULL); /* best effort */
    return false;
}

/* Files of /proc have no size to go by. Returns the number of bytes, 0 when it cannot be read. */
static size_t read_mountinfo(char *buffer, size_t capacity)
{
    _cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got;

    while (fd >= 0 && size < capacity && (got = read(fd, buffer + size, capacity - size)) > 0)
        size += (size_t)got;
    return size;
}

size_t mounts_unmount_all(void)
{
    static char buffer[128 * 1024]; /* static: the end of the machine does not depend on memory */
    static struct {
        const char *text;
        size_t length;
    } lines[MOUNTS_TARGETS_MAX];
    struct cursor c = cursor_make(buffer, read_mountinfo(buffer, sizeof(buffer)));
    char target[MOUNTS_TARGET_SIZE];
    size_t count = 0, stayed = 0;

    while (count < MOUNTS_TARGETS_MAX && cursor_line(&c, &lines[count].text, &lines[count].length))
        count++;
    while (count-- > 0) {
        if (mounts_parse_target(lines[count].text, lines[count].length, target) < 0)
            stayed++;
        else if (!mounts_is_kept(target) && !let_go(target))
            stayed++;
    }
    return stayed;
}
