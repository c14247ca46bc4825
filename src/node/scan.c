#include "node/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* s6-svscan runs .s6-svscan/SIGNAL when it gets the signal, and becomes .s6-svscan/finish (or
 * crash) at its end. broch-halt knows by its own name which of them it is, so links are enough and
 * no interpreter has to be sound while the machine goes down. */
static const struct {
    const char *name;
    const char *target;
} control_links[] = {
    { "finish", "/usr/lib/broch/halt" },
    { "crash", "/usr/lib/broch/halt" },
    { "SIGTERM", "/usr/lib/broch/halt" },
    { "SIGINT", "/usr/lib/broch/halt" },
    { "SIGUSR1", "/usr/lib/broch/halt" },
    { "SIGUSR2", "/usr/lib/broch/halt" },
    { "SIGPWR", "/usr/lib/broch/halt" },
    /* Alt-Up on the console: a request that this machine has no use for. */
    { "SIGWINCH", "/usr/bin/true" },
};

static int copy_failure(struct failure *f, int error, const char *name)
{
    return failure_set(f, CODE_INIT_SERVICES, -error, "cannot copy '%s'", name);
}

static int copy_bytes(int from, int to)
{
    char buffer[4096];
    size_t total = 0;
    ssize_t got;

    while ((got = read(from, buffer, sizeof(buffer))) > 0) {
        total += (size_t)got;
        if (total > SCAN_FILE_SIZE_MAX)
            return -ERANGE;
        if (write(to, buffer, (size_t)got) != got)
            return errno ? -errno : -EIO;
    }
    return got < 0 ? -errno : 0;
}

static int copy_file(int from_fd, int to_fd, const char *name, mode_t mode, struct failure *f)
{
    _cleanup_close_ int from = openat(from_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int to = -1;
    int r;

    if (from < 0)
        return copy_failure(f, errno, name);
    to = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return copy_failure(f, errno, name);
    r = copy_bytes(from, to);
    if (r == 0 && fchmod(to, mode & 0755) < 0)
        r = -errno;
    return r < 0 ? copy_failure(f, -r, name) : 0;
}

static int copy_link(int from_fd, int to_fd, const char *name, struct failure *f)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(from_fd, name, target, sizeof(target));

    if (length < 0 || (size_t)length == sizeof(target))
        return copy_failure(f, length < 0 ? errno : ENAMETOOLONG, name);
    target[length] = '\0';
    return symlinkat(target, to_fd, name) < 0 ? copy_failure(f, errno, name) : 0;
}

static int copy_level(int from_fd, int to_fd, const char *name, unsigned depth, struct failure *f);

static int copy_entry(int from_fd, int to_fd, const char *name, unsigned depth, struct failure *f)
{
    struct stat status;

    if (fstatat(from_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return copy_failure(f, errno, name);
    if (S_ISREG(status.st_mode))
        return copy_file(from_fd, to_fd, name, status.st_mode, f);
    if (S_ISLNK(status.st_mode))
        return copy_link(from_fd, to_fd, name, f);
    if (S_ISDIR(status.st_mode))
        return copy_level(from_fd, to_fd, name, depth + 1, f);
    return copy_failure(f, EINVAL, name);
}

static int copy_entries(DIR *folder, int to_fd, unsigned depth, struct failure *f)
{
    size_t count = 0;

    for (;;) {
        const struct dirent *entry;
        int r;

        errno = 0;
        entry = readdir(folder);
        if (!entry)
            return errno ? copy_failure(f, errno, "folder") : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++count > SCAN_ENTRIES_MAX)
            return copy_failure(f, ERANGE, entry->d_name);
        r = copy_entry(dirfd(folder), to_fd, entry->d_name, depth, f);
        if (r < 0)
            return r;
    }
}

static int copy_level(int from_fd, int to_fd, const char *name, unsigned depth, struct failure *f)
{
    _cleanup_close_ int from = -1, to = -1;
    DIR *folder;
    int r;

    if (depth >= SCAN_DEPTH_MAX)
        return copy_failure(f, ERANGE, name);
    from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0 || mkdirat(to_fd, name, 0755) < 0)
        return copy_failure(f, errno, name);
    to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return copy_failure(f, errno, name);
    folder = fdopendir(from);
    if (!folder)
        return copy_failure(f, errno, name);
    (void)take_fd(&from); /* closedir() closes it */
    r = copy_entries(folder, to, depth, f);
    (void)closedir(folder); /* only read from */
    return r;
}

/* s6-supervise makes this folder 0700 and keeps the mode of one that is there. Readable to all, it
 * lets `broch status` tell the truth without privileges; the control pipe in it stays root's. */
static void open_status(int target_fd, const char *name)
{
    _cleanup_close_ int fd =
        openat(target_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        (void)mkdirat(fd, "supervise", 0755); /* without it only root sees the state */
}

static int make_control(int target_fd, struct failure *f)
{
    _cleanup_close_ int fd = -1;

    if (mkdirat(target_fd, ".s6-svscan", 0755) < 0)
        return copy_failure(f, errno, ".s6-svscan");
    fd = openat(target_fd, ".s6-svscan", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return copy_failure(f, errno, ".s6-svscan");
    for (size_t i = 0; i < ARRAY_SIZE(control_links); i++) {
        if (symlinkat(control_links[i].target, fd, control_links[i].name) < 0)
            return copy_failure(f, errno, control_links[i].name);
    }
    return 0;
}

int scan_make(const char *source, const char *target, const char *name, struct failure *f)
{
    _cleanup_close_ int source_fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int target_fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (source_fd < 0 || target_fd < 0)
        return copy_failure(f, errno, source_fd < 0 ? source : target);
    r = make_control(target_fd, f);
    if (r == 0)
        r = copy_level(source_fd, target_fd, name, 0, f);
    if (r < 0) {
        failure_prefix(f, "service '%s'", name);
        return r;
    }
    open_status(target_fd, name);
    return 0;
}
