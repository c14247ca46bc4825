#include "boot/disk_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/line.h"
#include "disk/library.h"

enum { PATH_SIZE = 128 };

static const struct disk_library *library;

static int refuse(struct failure *f)
{
    const char *words = dlerror();

    return failure_set(f, CODE_PERSIST_LIBRARY, -ELIBACC, "%s", words ? words : DISK_LIBRARY_PATH);
}

/* What it needs is found beside it by its own search path, so it too comes from the verified root.
 */
int disk_library_load(const char *root, check_hook hook, struct failure *f)
{
    char path[PATH_SIZE];
    struct line l = line_make(path, sizeof(path));
    void *object;

    line_addf(&l, "%s%s", root, DISK_LIBRARY_PATH);
    CHECK(!l.cut);
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return refuse(f);
    library = dlsym(object, DISK_LIBRARY_SYMBOL);
    if (!library)
        return refuse(f);
    (void)library->set_hook(hook); /* there was none */
    return 0;
}

#define CALL(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        CHECK(library);                                                                            \
        return library->name arguments;                                                            \
    }
#define ACT(name, parameters, arguments)                                                           \
    void name parameters                                                                           \
    {                                                                                              \
        CHECK(library);                                                                            \
        library->name arguments;                                                                   \
    }
#include "disk/library.def"
#undef CALL
#undef ACT
