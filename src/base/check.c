#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static check_hook hook_installed;

check_hook check_set_hook(check_hook hook)
{
    check_hook former = hook_installed;

    hook_installed = hook;
    return former;
}

void check_failed(const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "broch: internal error: check '%s' failed at %s:%d\n", expression, file,
                  line);
    if (hook_installed)
        hook_installed();
    abort();
}
