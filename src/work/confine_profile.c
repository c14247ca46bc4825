#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "work/apparmor.h"
#include "work/confine_part.h"

/* A profile that is not loaded, and a kernel without AppArmor, are errors of the kernel's here: the
 * service does not start. */
int confine_set_profile(struct confine *c, struct failure *f)
{
    static const char path[] = "/proc/thread-self/attr/apparmor/exec";
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    char name[APPARMOR_NAME_SIZE], request[APPARMOR_NAME_SIZE + 8];
    size_t size;

    apparmor_profile_name(c->manifest, name);
    (void)snprintf(request, sizeof(request), "exec %s", name);
    size = strlen(request);
    if (fd < 0 || write(fd, request, size) != (ssize_t)size)
        return failure_set(f, CODE_CONFINE, -errno, "the kernel has no AppArmor profile '%s'",
                           name);
    return 0;
}
