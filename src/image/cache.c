#include "image/cache.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

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
