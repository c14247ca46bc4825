#include "image/supply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/package_list.h"
#include "image/pool.h"
#include "image/resolve.h"
#include "sys/file.h"

#define LOCK_NAME "packages.x86_64.lock"

void supply_done(struct supply *supply)
{
    lock_done(&supply->lock);
}

static int read_list(const char *folder, struct package_list *ret, struct failure *f)
{
    _cleanup_free_ char *path = text_make("%s/packages.txt", folder);

    return path ? package_list_read(path, ret, f)
                : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

static struct digest list_digest(const struct package_list *list, const char *kernel)
{
    const char *names[PACKAGE_LIST_MAX];

    for (size_t i = 0; i < list->count; i++)
        names[i] = list->names[i];
    return lock_list_digest(names, list->count, kernel);
}

static int resolve_to(const struct package_list *list, const char *kernel, const char *path,
                      struct supply *ret, struct failure *f)
{
    _cleanup_(supply_done) struct supply supply = SUPPLY_INIT;
    _cleanup_lock_ struct lock again = LOCK_INIT;
    _cleanup_text_ struct text text = TEXT_INIT;
    const char *names[PACKAGE_LIST_MAX];
    int r;

    for (size_t i = 0; i < list->count; i++)
        names[i] = list->names[i];
    r = resolve_packages(names, list->count, kernel, (uint64_t)time(NULL), &supply.lock, f);
    if (r < 0)
        return r;
    lock_format(&supply.lock, &text);
    if (text_status(&text) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    /* A lock that the next build would refuse must not replace one that works. */
    r = lock_parse("the new lock", (const uint8_t *)text_string(&text), text.length, &again, f);
    if (r == 0)
        r = file_make_parent(path, f);
    if (r == 0)
        r = file_write(path, text_string(&text), text.length, 0644, f);
    if (r < 0)
        return r;
    supply.digest = digest_bytes(text_string(&text), text.length);
    *ret = supply;
    supply = (struct supply)SUPPLY_INIT;
    return 0;
}

int supply_lock(const char *folder, const char *kernel, struct lock *ret, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    _cleanup_free_ char *path = text_make("%s/" LOCK_NAME, folder);
    struct supply supply = SUPPLY_INIT;
    int r = read_list(folder, &list, f);

    if (r == 0 && !path)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = resolve_to(&list, kernel, path, &supply, f);
    if (r == 0)
        *ret = supply.lock;
    return r;
}

static int fill(const struct supply_request *request, struct progress *progress,
                const struct lock *lock, struct failure *f)
{
    return pool_fill(lock, request->offline, progress, f);
}

/* Puts `renewed` in the place of the committed lock, for this build. */
static void adopt(struct supply *renewed, struct supply *supply)
{
    supply_done(supply);
    *supply = *renewed;
    supply->unlocked = true;
    *renewed = (struct supply)SUPPLY_INIT;
}

/* Takes the lock that an earlier build renewed, if it is for this list and its packages can be had.
 * CODE_LOCK_MISSING, _STALE, CODE_SYNTAX, and what pool_fill() returns. */
static int use_kept(const struct supply_request *request, const char *path,
                    struct progress *progress, struct supply *supply, struct failure *f)
{
    _cleanup_(supply_done) struct supply kept = SUPPLY_INIT;
    int r = lock_read(path, &kept.lock, &kept.digest, f);

    if (r == 0 && memcmp(&kept.lock.list, &supply->lock.list, sizeof(kept.lock.list)) != 0)
        r = failure_set(f, CODE_LOCK_STALE, -ESTALE, "'%s' is for another list", path);
    if (r == 0)
        r = fill(request, progress, &kept.lock, f);
    if (r == 0)
        adopt(&kept, supply);
    return r;
}

/* What is no reason to give up the kept lock: that the mirror is down, or sends wrong bytes. */
static bool is_outdated(enum code code)
{
    return code == CODE_LOCK_MISSING || code == CODE_LOCK_STALE || code == CODE_SYNTAX ||
           code == CODE_PACKAGE_GONE;
}

/* A renewed lock is kept in the cache under the list's digest, so that the next build makes the
 * same; one that is itself out of date is made again. */
static int renew(const struct supply_request *request, const char *path, struct progress *progress,
                 struct supply *supply, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    _cleanup_(supply_done) struct supply renewed = SUPPLY_INIT;
    int r = use_kept(request, path, progress, supply, f);

    if (r == 0 || !is_outdated(f->code))
        return r;
    r = read_list(request->folder, &list, f);
    if (r == 0)
        r = resolve_to(&list, request->kernel, path, &renewed, f);
    if (r == 0)
        r = fill(request, progress, &renewed.lock, f);
    if (r == 0)
        adopt(&renewed, supply);
    return r;
}

int supply_open(const struct supply_request *request, struct supply *ret, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    _cleanup_(supply_done) struct supply supply = SUPPLY_INIT;
    _cleanup_free_ char *path = text_make("%s/" LOCK_NAME, request->folder);
    struct digest wanted;
    int r = read_list(request->folder, &list, f);

    if (r == 0 && !path)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    if (r == 0)
        r = lock_read(path, &supply.lock, &supply.digest, f);
    if (r < 0)
        return r;
    wanted = list_digest(&list, request->kernel);
    if (memcmp(&wanted, &supply.lock.list, sizeof(wanted)) != 0)
        return failure_set(f, CODE_LOCK_STALE, -ESTALE, "'%s' was made from another package list",
                           path);
    *ret = supply;
    supply = (struct supply)SUPPLY_INIT;
    return 0;
}

int supply_fill(const struct supply_request *request, struct progress *progress,
                struct supply *supply, struct failure *f)
{
    _cleanup_free_ char *path = NULL;
    struct failure other = FAILURE_NONE;
    char digits[DIGEST_TEXT_SIZE];
    int r = fill(request, progress, &supply->lock, f);

    if (r == 0 || (f->code != CODE_PACKAGE_GONE && f->code != CODE_OFFLINE))
        return r;
    if (!request->renew) {
        if (f->code == CODE_PACKAGE_GONE) {
            f->code = CODE_UNLOCKED;
            failure_prefix(f, "a production build renews no lock");
        }
        return r;
    }
    if (cache_path(&path, &other, "locks/%s.lock", digest_text(&supply->lock.list, digits)) < 0)
        return r;
    if (f->code == CODE_OFFLINE) {
        /* Without a lock of its own kept here, the first failure is the one to tell. */
        return use_kept(request, path, progress, supply, &other) == 0 ? 0 : r;
    }
    progress_note(progress, "%s", f->text);
    progress_note(progress, "renewing the lock for this build; the generation is 'unlocked'");
    return renew(request, path, progress, supply, f);
}
