#include "node/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* One by one: a kernel that lacks one refuses a line that names it whole. */
static const char *const controllers[] = { "+cpu", "+memory", "+pids" };

static int write_text(const char *path, const char *text, struct failure *f)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        return failure_set(f, CODE_CGROUP, -errno, "cannot write '%s' to '%s'", text, path);
    return 0;
}

static int enable(const char *group, struct failure *f)
{
    char path[PATH_MAX];
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(controllers); i++)
        r = write_text(path, controllers[i], f);
    return r;
}

int cgroup_set_up(const char *root, struct failure *f)
{
    char group[PATH_MAX];
    int r = enable(root, f);

    if (r < 0)
        return r;
    (void)snprintf(group, sizeof(group), "%s/broch", root);
    if (mkdir(group, 0755) < 0 && errno != EEXIST)
        return failure_set(f, CODE_CGROUP, -errno, "cannot make '%s'", group);
    r = enable(group, f);
    /* Inherited by the supervisors, undone for each service by its manifest. */
    return r < 0 ? r : write_text("/proc/self/oom_score_adj", "-1000", f);
}
