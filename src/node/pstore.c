#include "node/pstore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "node/keep.h"
#include "sys/file.h"

struct collection {
    const char *target;
    bool empty;
    size_t count;
};

/* Reads what there is up to the limit: the last words of a kernel may be cut anywhere. */
static int read_record(const char *path, char *buffer, size_t *ret_size, time_t *ret_time)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    size_t size = 0;
    ssize_t got;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    while (size < PSTORE_RECORD_SIZE_MAX &&
           (got = read(fd, buffer + size, PSTORE_RECORD_SIZE_MAX - size)) != 0) {
        if (got < 0)
            return -errno;
        size += (size_t)got;
    }
    *ret_size = size;
    *ret_time = status.st_mtime;
    return 0;
}

static int collect(const char *store, const char *name, void *context, struct failure *f)
{
    struct collection *collection = context;
    _cleanup_free_ char *buffer = malloc(PSTORE_RECORD_SIZE_MAX);
    char from[PATH_MAX], to[PATH_MAX];
    size_t size = 0;
    time_t when = 0;
    int r;

    (void)snprintf(from, sizeof(from), "%s/%s", store, name);
    r = buffer ? read_record(from, buffer, &size, &when) : -ENOMEM;
    if (r < 0)
        return failure_set(f, CODE_PSTORE, r, "cannot read the record '%s'", from);
    (void)snprintf(to, sizeof(to), "%s/%010lld-%s", collection->target, (long long)when, name);
    if (!file_exists(to)) {
        r = file_write(to, buffer, size, 0600, f);
        if (r < 0)
            return r;
        collection->count++;
    }
    /* Only now: until the copy is on its disk, the store has the only one. */
    if (collection->empty && unlink(from) < 0)
        return failure_set(f, CODE_PSTORE, -errno, "cannot remove the record '%s'", from);
    return 0;
}

int pstore_collect(const char *store, const char *target, bool empty, size_t *ret_count,
                   struct failure *f)
{
    struct collection collection = { .target = target, .empty = empty };
    int r;

    *ret_count = 0;
    if (!file_exists(store))
        return 0;
    if (mkdir(target, 0700) < 0 && errno != EEXIST)
        return failure_set(f, CODE_PSTORE, -errno, "cannot make '%s'", target);
    r = file_list(store, collect, &collection, f);
    *ret_count = collection.count;
    return r < 0 ? r : keep_newest(target, PSTORE_RECORDS_MAX, f);
}
