#include "node/keep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"

struct pass {
    size_t count; /* files seen */
    size_t spare; /* the first ones of these go */
};

static int count_file(const char *folder, const char *name, void *context, struct failure *f)
{
    struct pass *pass = context;

    (void)folder;
    (void)name;
    (void)f; /* the form of a file_each */
    pass->count++;
    return 0;
}

static int remove_file(const char *folder, const char *name, void *context, struct failure *f)
{
    struct pass *pass = context;
    char path[PATH_MAX];

    if (pass->spare == 0)
        return 0;
    pass->spare--;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return failure_set(f, CODE_IO, -ENAMETOOLONG, "'%s/%s' is too long", folder, name);
    if (unlink(path) < 0 && errno != ENOENT && errno != EISDIR)
        return file_failure(f, errno, "remove", path);
    return 0;
}

int keep_newest(const char *folder, size_t keep, struct failure *f)
{
    struct pass pass = { .count = 0 };
    int r = file_list(folder, count_file, &pass, f);

    if (r < 0 || pass.count <= keep)
        return r;
    pass.spare = pass.count - keep;
    return file_list(folder, remove_file, &pass, f);
}
