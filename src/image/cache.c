#include "image/cache.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sys/file.h"

int cache_folder(char **ret, struct failure *f)
{
    const char *own = getenv("BROCH_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    _cleanup_free_ char *path = NULL;
    int r;

    if (own && own[0] == '/')
        path = text_make("%s", own);
    else if (xdg && xdg[0] == '/')
        path = text_make("%s/broch", xdg);
    else if (home && home[0] == '/')
        path = text_make("%s/.cache/broch", home);
    else /* never a folder that others can prepare, such as one in /tmp */
        return failure_set(f, CODE_USAGE, -EINVAL,
                           "neither BROCH_CACHE, XDG_CACHE_HOME nor HOME is an absolute path");
    if (!path)
        return failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
    r = file_make_folders(path, f);
    if (r == 0)
        *ret = take_ptr(path);
    return r;
}

int cache_path(char **ret, struct failure *f, const char *format, ...)
{
    _cleanup_free_ char *folder = NULL;
    _cleanup_text_ struct text path = TEXT_INIT;
    va_list arguments;
    int r = cache_folder(&folder, f);

    if (r < 0)
        return r;
    text_addf(&path, "%s/", folder);
    va_start(arguments, format);
    text_addv(&path, format, arguments);
    va_end(arguments);
    *ret = text_take(&path);
    return *ret ? 0 : failure_set(f, CODE_INTERNAL, -ENOMEM, "out of memory");
}

/* Below this a program that failed for want of room leaves the disk: what it could not write is
 * mostly larger, and its last small file may still have fitted. */
enum { ROOM_MIN = 1 << 20 };

static bool is_full(const char *folder, uint64_t *ret_free)
{
    struct statvfs disk;

    *ret_free = 0;
    if (statvfs(folder, &disk) < 0)
        return false;
    *ret_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    /* Some filesystems have no fixed number of files, and say 0 of 0. */
    return *ret_free < ROOM_MIN || (disk.f_files > 0 && disk.f_favail == 0);
}

int cache_judge_space(int r, struct failure *f)
{
    _cleanup_free_ char *folder = NULL;
    struct failure former = *f, ignored = FAILURE_NONE;
    uint64_t room;

    if (r >= 0 || (former.code != CODE_STEP_FAILED && former.code != CODE_IO) ||
        cache_folder(&folder, &ignored) < 0)
        return r;
    if (!is_full(folder, &room) && !strstr(former.text, strerror(ENOSPC)))
        return r;
    return failure_set(f, CODE_NO_SPACE, -ENOSPC, "no room on the disk of '%s' (%llu KiB left): %s",
                       folder, (unsigned long long)room / 1024, former.text);
}

int cache_want_room(uint64_t bytes, struct failure *f)
{
    _cleanup_free_ char *folder = NULL;
    uint64_t room;
    int r = cache_folder(&folder, f);

    if (r < 0 || (!is_full(folder, &room) && room >= bytes))
        return r;
    return failure_set(f, CODE_NO_SPACE, -ENOSPC,
                       "no room on the disk of '%s': %llu KiB are needed, %llu KiB are left",
                       folder, (unsigned long long)bytes / 1024, (unsigned long long)room / 1024);
}
