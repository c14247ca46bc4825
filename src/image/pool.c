#include "image/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/archive.h"
#include "image/cache.h"
#include "image/fetch.h"
#include "sys/file.h"
#include "sys/lockfile.h"
#include "sys/spawn.h"

enum { CONTROL_MAX = 1 << 20 };

int pool_path(const struct lock_package *package, char **ret, struct failure *f)
{
    char digits[DIGEST_TEXT_SIZE];

    return cache_path(ret, f, "packages/%s.deb", digest_text(&package->digest, digits));
}

/* 1 when the cache has exactly these bytes, 0 when not; a file that rotted is removed. */
static int is_cached(const char *path, const struct lock_package *package, struct failure *f)
{
    struct failure ignored = FAILURE_NONE;
    struct digest digest;
    struct stat status;

    if (stat(path, &status) < 0)
        return 0;
    if (digest_file(path, &digest, &ignored) < 0 ||
        memcmp(&digest, &package->digest, sizeof(digest)) != 0) {
        (void)unlink(path); /* it will be fetched again */
        return 0;
    }
    /* These are the bytes, so it is the lock that is wrong; a download would be refused as well. */
    if ((uint64_t)status.st_size != package->size)
        return failure_set(f, CODE_LOCK_HASH, -EBADMSG,
                           "package %s %s has %lld bytes, the lock says %llu", package->name,
                           package->version, (long long)status.st_size,
                           (unsigned long long)package->size);
    return 1;
}

/* The list of what is to be fetched, with the strings that it borrows. */
struct wanted {
    struct fetch_item items[LOCK_PACKAGES_MAX];
    char *strings[3 * LOCK_PACKAGES_MAX];
    size_t count;
};

static void wanted_clear(struct wanted *wanted)
{
    for (size_t i = 0; i < 3 * wanted->count; i++)
        free(take_ptr(wanted->strings[i]));
    wanted->count = 0;
}

static void wanted_free(struct wanted **wanted)
{
    if (*wanted)
        wanted_clear(*wanted);
    free(*wanted);
}

static int want(struct wanted *wanted, const struct lock_package *package,
                const struct archives *archives, char *path, struct failure *f)
{
    char *address = text_make("%s/%s", archives->base[package->archive], package->path);
    char *label = text_make("package %s %s", package->name, package->version);
    size_t i = wanted->count++;

    wanted->strings[3 * i] = path;
    wanted->strings[3 * i + 1] = address;
    wanted->strings[3 * i + 2] = label;
    if (!address || !label)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    wanted->items[i] = (struct fetch_item){ .address = address,
                                            .target = path,
                                            .label = label,
                                            .size = package->size,
                                            .digest = package->digest };
    return 0;
}

static int collect_missing(const struct lock *lock, bool offline, struct archives *archives,
                           struct wanted *wanted, struct failure *f)
{
    for (size_t i = 0; i < lock->package_count; i++) {
        const struct lock_package *package = &lock->packages[i];
        _cleanup_free_ char *path = NULL;
        int r = pool_path(package, &path, f);

        if (r == 0)
            r = is_cached(path, package, f);
        if (r < 0)
            return r;
        if (r > 0)
            continue;
        if (offline)
            return failure_set(f, CODE_OFFLINE, -ENOENT, "package %s %s is not in the cache",
                               package->name, package->version);
        if (!archives->base[LOCK_ARCHIVE_MAIN])
            r = archives_find(archives, f);
        if (r == 0)
            r = want(wanted, package, archives, take_ptr(path), f);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Under the guard, because two downloads of one file would write into each other; and looking
 * again, because another build may have fetched meanwhile. */
static int fetch_missing(const struct lock *lock, struct wanted *wanted, struct archives *archives,
                         struct progress *progress, struct failure *f)
{
    _cleanup_free_ char *guard = NULL;
    _cleanup_close_ int guard_fd = -1;
    int r = cache_path(&guard, f, "packages/guard");

    if (r == 0)
        r = lockfile_take(guard, true, &guard_fd, f);
    wanted_clear(wanted);
    if (r == 0)
        r = collect_missing(lock, false, archives, wanted, f);
    return r < 0 ? r : fetch_all(wanted->items, wanted->count, progress, f);
}

int pool_fill(const struct lock *lock, bool offline, struct progress *progress, struct failure *f)
{
    _cleanup_(wanted_free) struct wanted *wanted = calloc(1, sizeof(*wanted));
    _cleanup_archives_ struct archives archives = ARCHIVES_INIT;
    _cleanup_free_ char *folder = NULL;
    int r = cache_path(&folder, f, "packages");

    if (!wanted)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = file_make_folders(folder, f);
    if (r == 0)
        r = collect_missing(lock, offline, &archives, wanted, f);
    if (r == 0 && wanted->count > 0)
        r = fetch_missing(lock, wanted, &archives, progress, f);
    return r;
}

/* The control fields of a package, as dpkg-deb prints them. */
static int read_control(const char *path, struct text *ret, struct failure *f)
{
    const struct arguments arguments = ARGUMENTS("dpkg-deb", "--field", path);
    struct spawn spawn = { SPAWN_FDS_NONE, .arguments = &arguments };
    _cleanup_free_ char *control = NULL;
    size_t size;
    int r = spawn_capture(&spawn, CONTROL_MAX, &control, &size, f);

    if (r == 0)
        text_add_bytes(ret, control, size);
    return r;
}

static int add_to_archive(const struct lock_package *package, const char *folder,
                          struct text *index, struct failure *f)
{
    _cleanup_free_ char *path = NULL, *link_path = NULL;
    char digits[DIGEST_TEXT_SIZE];
    int r = pool_path(package, &path, f);

    if (r < 0)
        return r;
    link_path = text_make("%s/%s.deb", folder, package->name);
    if (!link_path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (link(path, link_path) < 0)
        return file_failure(f, errno, "link", link_path);
    r = read_control(path, index, f);
    text_addf(index, "Filename: ./%s.deb\nSize: %llu\nSHA256: %s\n\n", package->name,
              (unsigned long long)package->size, digest_text(&package->digest, digits));
    return r;
}

int pool_archive(const struct lock *lock, const char *folder, struct failure *f)
{
    _cleanup_text_ struct text index = TEXT_INIT;
    _cleanup_free_ char *path = text_make("%s/Packages", folder);
    int r = path ? file_remove_tree(folder, f) : failure_set(f, CODE_INTERNAL, -ENOMEM, "memory");

    if (r == 0)
        r = file_make_folders(folder, f);
    for (size_t i = 0; r == 0 && i < lock->package_count; i++) {
        if (lock->packages[i].role == LOCK_ROLE_SYSTEM)
            r = add_to_archive(&lock->packages[i], folder, &index, f);
    }
    if (r == 0)
        r = file_write(path, text_string(&index), index.length, 0644, f);
    return r;
}
