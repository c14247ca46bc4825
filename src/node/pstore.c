#include "node/pstore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "node/keep.h"
#include "sys/file.h"

struct collection {
    const char *target;
    bool empty;
    struct pstore_found *found;
    time_t panic_time;
};

/* A record is a piece of the kernel's log, in whole lines. The kernel prints this before it writes
 * the record (kernel/panic.c), and nobody below root prints lines of the log that begin so. */
static void find_panic(struct collection *collection, const char *record, size_t size, time_t when)
{
    static const char words[] = "Kernel panic - not syncing: ";
    const char *at = memmem(record, size, words, sizeof(words) - 1), *end;
    char *panic = collection->found->panic;
    struct line l;

    if (!at || (panic[0] && when < collection->panic_time))
        return;
    collection->panic_time = when;
    at += sizeof(words) - 1;
    l = line_make(panic, sizeof(collection->found->panic));
    end = memchr(at, '\n', size - (size_t)(at - record));
    for (const char *c = at; c < (end ? end : record + size); c++)
        line_add_bytes(&l, *c < ' ' || *c > '~' ? "?" : c, 1);
    if (l.length == 0)
        line_add(&l, "no words");
}

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
        collection->found->count++;
        find_panic(collection, buffer, size, when);
    }
    /* Only now: until the copy is on its disk, the store has the only one. */
    if (collection->empty && unlink(from) < 0)
        return failure_set(f, CODE_PSTORE, -errno, "cannot remove the record '%s'", from);
    return 0;
}

int pstore_collect(const char *store, const char *target, bool empty, struct pstore_found *ret,
                   struct failure *f)
{
    struct collection collection = { .target = target, .empty = empty, .found = ret };
    int r;

    *ret = (struct pstore_found){ .count = 0 };
    if (!file_exists(store))
        return 0;
    if (mkdir(target, 0700) < 0 && errno != EEXIST)
        return failure_set(f, CODE_PSTORE, -errno, "cannot make '%s'", target);
    r = file_list(store, collect, &collection, f);
    return r < 0 ? r : keep_newest(target, PSTORE_RECORDS_MAX, f);
}
