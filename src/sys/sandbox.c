#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>
#include <limits.h>
#include <linux/mount.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/number.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/spawn.h"

enum { SUBIDS_FILE_MAX = 1 << 20, ID_COUNT_NEEDED = 65536 };

/* --- Child side: only system calls from here to sandbox_enter() --- */

static int write_text(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    return 0;
}

static int map_single_id(uid_t uid, gid_t gid)
{
    char line[64];
    int r = write_text("/proc/self/setgroups", "deny");

    if (r < 0)
        return r;
    (void)snprintf(line, sizeof(line), "0 %u 1\n", (unsigned)uid);
    r = write_text("/proc/self/uid_map", line);
    if (r < 0)
        return r;
    (void)snprintf(line, sizeof(line), "0 %u 1\n", (unsigned)gid);
    return write_text("/proc/self/gid_map", line);
}

/* Tells the parent that the namespace exists and waits until it wrote the maps. */
static int wait_for_ids(int ids_ready, int ids_done)
{
    char byte = 0;

    if (write(ids_ready, &byte, 1) != 1 || read(ids_done, &byte, 1) != 1)
        return -EPERM;
    return setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -errno : 0;
}

static int enter_namespaces(const struct sandbox *sandbox, int ids_ready, int ids_done)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (!sandbox->network)
        flags |= CLONE_NEWNET;
    if (uid != 0)
        flags |= CLONE_NEWUSER;
    if (unshare(flags) < 0)
        return -errno;
    if (uid == 0)
        return 0;
    return ids_ready >= 0 ? wait_for_ids(ids_ready, ids_done) : map_single_id(uid, gid);
}

static int read_only_mount(const char *path)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };

    /* Adds one attribute and keeps those that a user namespace may not drop. */
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof(attributes)) <
        0)
        return -errno;
    return 0;
}

static int make_path(char *path, bool folder)
{
    int fd;

    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    if (folder)
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

static int bind_into(const char *root, const char *source, const char *target, bool read_only)
{
    char path[PATH_MAX];
    struct stat status;
    int r;

    if (stat(source, &status) < 0)
        return -errno;
    if ((size_t)snprintf(path, sizeof(path), "%s%s", root, target) >= sizeof(path))
        return -ENAMETOOLONG;
    r = make_path(path, S_ISDIR(status.st_mode));
    if (r < 0)
        return r;
    if (mount(source, path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -errno;
    return read_only ? read_only_mount(path) : 0;
}

/* Repeats one top-level entry of the tree in the new root: folders by bind, links as links. */
static int repeat_entry(const char *tree, const char *root, const char *name)
{
    /* Folders that the new root has of its own: whatever the caller binds may lie below them. */
    static const char *const own[] = { "proc", "sys", "dev", "tmp", "run",   "mnt", "root",
                                       "home", "var", "opt", "srv", "media", "boot" };
    char source[PATH_MAX], target[PATH_MAX], link[PATH_MAX];
    ssize_t length;

    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (strcmp(name, own[i]) == 0)
            return 0;
    }
    if ((size_t)snprintf(source, sizeof(source), "%s/%s", tree, name) >= sizeof(source) ||
        (size_t)snprintf(target, sizeof(target), "%s/%s", root, name) >= sizeof(target))
        return -ENAMETOOLONG;
    length = readlink(source, link, sizeof(link) - 1);
    if (length >= 0) {
        link[length] = '\0';
        return symlink(link, target) < 0 ? -errno : 0;
    }
    (void)snprintf(target, sizeof(target), "/%s", name);
    return bind_into(root, source, target, true);
}

static int repeat_tree(const char *tree, const char *root)
{
    DIR *folder = opendir(tree);
    int r = 0;

    if (!folder)
        return -errno;
    for (struct dirent *entry = readdir(folder); entry && r == 0; entry = readdir(folder)) {
        if (entry->d_name[0] != '.')
            r = repeat_entry(tree, root, entry->d_name);
    }
    (void)closedir(folder);
    return r;
}

static int mount_at(const char *root, const char *path, const char *type, const char *options)
{
    char target[PATH_MAX];

    if ((size_t)snprintf(target, sizeof(target), "%s%s", root, path) >= sizeof(target))
        return -ENAMETOOLONG;
    if (mkdir(target, 0755) < 0 && errno != EEXIST)
        return -errno;
    return mount(type, target, type, 0, options) < 0 ? -errno : 0;
}

/* The new root stands on the tree's own /mnt, so no folder has to be made on the host. */
static int build_root(const struct sandbox *sandbox, char *root, size_t root_size,
                      const char **ret_stage)
{
    int r;

    *ret_stage = "make the new root";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    if ((size_t)snprintf(root, root_size, "%s/mnt", sandbox->tree) >= root_size)
        return -ENAMETOOLONG;
    if (mount("tmpfs", root, "tmpfs", 0, "mode=0755") < 0)
        return -errno;
    r = repeat_tree(sandbox->tree, root);
    if (r < 0)
        return r;
    *ret_stage = "mount /proc, /sys, /dev";
    if (mount_at(root, "/proc", "proc", NULL) < 0) {
        /* Inside a container whose /proc is partly covered the kernel refuses a fresh one. */
        r = bind_into(root, "/proc", "/proc", false);
        if (r < 0)
            return r;
    }
    r = bind_into(root, "/sys", "/sys", false);
    if (r == 0)
        r = bind_into(root, "/dev", "/dev", false);
    if (r == 0)
        r = mount_at(root, "/tmp", "tmpfs", "mode=1777");
    if (r == 0)
        r = mount_at(root, "/run", "tmpfs", "mode=0755");
    if (r == 0)
        r = mount_at(root, "/var", "tmpfs", "mode=0755");
    if (r == 0)
        r = mount_at(root, "/root", "tmpfs", "mode=0700");
    return r;
}

static int bind_all(const struct sandbox *sandbox, const char *root, const char **ret_stage)
{
    for (size_t i = 0; i < SANDBOX_BINDS_MAX && sandbox->binds[i].source; i++) {
        const struct sandbox_bind *bind = &sandbox->binds[i];
        int r;

        *ret_stage = bind->source;
        r = bind_into(root, bind->source, bind->target ? bind->target : bind->source,
                      bind->read_only);
        if (r < 0)
            return r;
    }
    if (sandbox->network) {
        /* Name resolution follows the host; missing files are the host's own affair. */
        (void)bind_into(root, "/etc/resolv.conf", "/run/resolv.conf", true);
    }
    return 0;
}

__attribute__((noreturn)) static void wait_and_exit(pid_t pid, bool reap_all)
{
    int status = 0;

    for (;;) {
        pid_t ended = waitpid(reap_all ? -1 : pid, &status, 0);

        if (ended == pid)
            break;
        if (ended < 0 && errno != EINTR)
            _exit(127);
    }
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Forks; the parent waits and ends with the child's status, the child goes on. */
static int descend(bool reap_all, int report_fd)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid > 0) {
        if (report_fd >= 0)
            (void)close(report_fd);
        wait_and_exit(pid, reap_all);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return 0;
}

int sandbox_enter(const struct sandbox *sandbox, int ids_ready, int ids_done, int report_fd,
                  const char **ret_stage)
{
    char root[PATH_MAX];
    int r;

    *ret_stage = "make namespaces";
    r = enter_namespaces(sandbox, ids_ready, ids_done);
    if (r < 0)
        return r;
    *ret_stage = "fork";
    r = descend(false, report_fd); /* the child is PID 1 of the new namespace */
    if (r < 0)
        return r;
    r = build_root(sandbox, root, sizeof(root), ret_stage);
    if (r == 0)
        r = bind_all(sandbox, root, ret_stage);
    if (r < 0)
        return r;
    *ret_stage = "change root";
    if (chdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return -errno;
    *ret_stage = "fork";
    return descend(true, report_fd); /* PID 1 only reaps, so that signals keep their defaults */
}

/* --- Parent side --- */

/* The first range of `owner` (name or number) in a file of lines "owner:first:count". */
static int find_range(const char *path, const char *name, uid_t uid, uint64_t *ret_first,
                      struct failure *f)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    struct cursor cursor;
    char number[24];
    const char *line;
    size_t size, length;
    int r = file_read(path, SUBIDS_FILE_MAX, &bytes, &size, f);

    if (r < 0)
        return r;
    (void)snprintf(number, sizeof(number), "%u", (unsigned)uid);
    cursor = cursor_make(bytes, size);
    while (cursor_line(&cursor, &line, &length)) {
        const char *first = memchr(line, ':', length);
        const char *second =
            first ? memchr(first + 1, ':', (size_t)(line + length - first - 1)) : NULL;
        size_t owner = first ? (size_t)(first - line) : 0;
        uint64_t count;

        if (!second || !((strlen(name) == owner && memcmp(line, name, owner) == 0) ||
                         (strlen(number) == owner && memcmp(line, number, owner) == 0)))
            continue;
        if (number_parse(first + 1, (size_t)(second - first - 1), UINT32_MAX, ret_first) == 0 &&
            number_parse(second + 1, (size_t)(line + length - second - 1), UINT32_MAX, &count) ==
                0 &&
            count >= ID_COUNT_NEEDED)
            return 0;
    }
    return failure_set(f, CODE_USER_NAMESPACE, -ENOENT,
                       "'%s' gives user '%s' no range of %d subordinate ids", path, name,
                       ID_COUNT_NEEDED);
}

static int map_with(const char *tool, int pid, unsigned own, uint64_t first, struct failure *f)
{
    char texts[3][24];
    struct arguments arguments;
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };

    (void)snprintf(texts[0], sizeof(texts[0]), "%d", pid);
    (void)snprintf(texts[1], sizeof(texts[1]), "%u", own);
    (void)snprintf(texts[2], sizeof(texts[2]), "%llu", (unsigned long long)first);
    arguments = ARGUMENTS(tool, texts[0], "0", texts[1], "1", "1", texts[2], "65535");
    return spawn_run(&spawn, f);
}

int sandbox_map_ids(int pid, struct failure *f)
{
    const struct passwd *user = getpwuid(getuid());
    uint64_t first_uid, first_gid;
    int r;

    if (!user)
        return failure_set(f, CODE_USER_NAMESPACE, -ENOENT, "user %u has no name", getuid());
    r = find_range("/etc/subuid", user->pw_name, getuid(), &first_uid, f);
    if (r == 0)
        r = find_range("/etc/subgid", user->pw_name, getuid(), &first_gid, f);
    if (r == 0)
        r = map_with("newuidmap", pid, getuid(), first_uid, f);
    if (r == 0)
        r = map_with("newgidmap", pid, getgid(), first_gid, f);
    return r;
}

/* In a child: takes on the map of many_ids and removes. Ends the process with an errno value. */
__attribute__((noreturn)) static void remove_mapped(const char *path, int ready, int done)
{
    struct failure ignored = FAILURE_NONE;
    int r = unshare(CLONE_NEWUSER) < 0 ? -errno : wait_for_ids(ready, done);

    if (r == 0)
        r = file_remove_tree(path, &ignored);
    _exit(-r & 0xff);
}

static void close_both(int (*pair)[2])
{
    cleanup_close_(&(*pair)[0]);
    cleanup_close_(&(*pair)[1]);
}

int sandbox_remove_tree(const char *path, struct failure *f)
{
    _cleanup_(close_both) int ready[2] = { -1, -1 }, done[2] = { -1, -1 };
    int status = 0, r = file_remove_tree(path, f);
    char byte;
    pid_t pid;

    /* A folder of another id that we cannot look into, in one of ours, is "not empty". */
    if ((r != -EACCES && r != -EPERM && r != -ENOTEMPTY) || geteuid() == 0)
        return r;
    if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot make a pipe");
    pid = fork();
    if (pid < 0)
        return failure_set(f, CODE_INTERNAL, -errno, "cannot fork");
    if (pid == 0) {
        (void)close(ready[0]); /* so that both sides see the other one end */
        (void)close(done[1]);
        remove_mapped(path, ready[1], done[0]);
    }
    cleanup_close_(&ready[1]);
    ready[1] = -1;
    r = read(ready[0], &byte, 1) == 1 ? sandbox_map_ids(pid, f) : 0;
    if (r < 0 || write(done[1], &byte, 1) != 1)
        (void)kill(pid, SIGKILL); /* it waits for a byte that will not come */
    if (waitpid(pid, &status, 0) != pid || r < 0)
        return r < 0 ? r : failure_set(f, CODE_INTERNAL, -errno, "cannot wait");
    r = WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
    return r < 0 ? file_failure(f, -r, "remove", path) : 0;
}

int sandbox_possible(struct failure *f)
{
    pid_t pid;
    int status = 0;

    if (geteuid() == 0)
        return 0;
    pid = fork();
    if (pid == 0) {
        /* Ubuntu 24.04 lets the namespace be made and then takes away what it is for, so try the
         * mount as well. */
        bool works = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
                     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;

        _exit(works ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return failure_set(f, CODE_USER_NAMESPACE, -EPERM,
                           "this user cannot make user namespaces on this host");
    return 0;
}
