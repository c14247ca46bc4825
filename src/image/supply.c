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
                      struct lock *ret, struct digest *ret_digest, struct failure *f)
{
    _cleanup_text_ struct text text = TEXT_INIT;
    const char *names[PACKAGE_LIST_MAX];
    int r;

    for (size_t i = 0; i < list->count; i++)
        names[i] = list->names[i];
    r = resolve_packages(names, list->count, kernel, (uint64_t)time(NULL), ret, f);
    if (r < 0)
        return r;
    lock_format(ret, &text);
    if (text_status(&text) < 0)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_make_parent(path, f);
    if (r == 0)
        r = file_write(path, text_string(&text), text.length, 0644, f);
    *ret_digest = digest_bytes(text_string(&text), text.length);
    return r;
}

int supply_lock(const char *folder, const char *kernel, struct lock *ret, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    _cleanup_free_ char *path = text_make("%s/" LOCK_NAME, folder);
    struct digest digest;
    int r = read_list(folder, &list, f);

    if (r == 0 && !path)
        r = failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    return r < 0 ? r : resolve_to(&list, kernel, path, ret, &digest, f);
}

/* A renewed lock of an earlier build is kept in the cache under the list's digest; one that is
 * itself out of date is made again. */
static int renew(const struct supply_request *request, struct progress *progress,
                 struct supply *supply, struct failure *f)
{
    _cleanup_package_list_ struct package_list list = PACKAGE_LIST_INIT;
    struct digest wanted = supply->lock.list;
    _cleanup_free_ char *path = NULL;
    char digits[DIGEST_TEXT_SIZE];
    int r = cache_path(&path, f, "locks/%s.lock", digest_text(&wanted, digits));

    if (r < 0)
        return r;
    supply_done(supply);
    supply->unlocked = true;
    if (lock_read(path, &supply->lock, &supply->digest, f) == 0 &&
        pool_fill(&supply->lock, request->offline, progress, f) == 0)
        return 0;
    supply_done(supply);
    r = read_list(request->folder, &list, f);
    if (r == 0)
        r = resolve_to(&list, request->kernel, path, &supply->lock, &supply->digest, f);
    return r < 0 ? r : pool_fill(&supply->lock, request->offline, progress, f);
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
    int r = pool_fill(&supply->lock, request->offline, progress, f);

    if (r == 0 || f->code != CODE_PACKAGE_GONE || !request->renew)
        return r;
    progress_note(progress, "%s", f->text);
    progress_note(progress, "renewing the lock for this build; the generation is 'unlocked'");
    return renew(request, progress, supply, f);
}
