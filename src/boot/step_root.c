/* root: the filesystem that becomes the machine's root. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "boot/stage1.h"
#include "sys/mount.h"

/* Kinds of root. There is one now; a writable root from persist comes as a second entry, chosen by
 * configuration on the encrypted disk. */
struct root_kind {
    const char *name;
    int (*mount)(const struct stage1 *s);
};

/* Read-only, and without device nodes: the image has none, /dev is the kernel's own filesystem. Not
 * nosuid: `su`, `sudo` and `mount` of the image are signed with it and have to work. */
static int mount_system(const struct stage1 *s)
{
    const struct mount_request root = { s->root_device, STAGE1_NEW_ROOT, "erofs",
                                        MS_RDONLY | MS_NODEV, NULL };

    return mount_make(&root);
}

static const struct root_kind root_kinds[] = { { "system", mount_system } };

int step_root(struct stage1 *s, struct failure *f)
{
    const struct root_kind *kind = &root_kinds[0];
    int r = kind->mount(s);

    if (r < 0)
        return failure_set(f, f->code, r, "root '%s' on %s: %s", kind->name, s->root_device,
                           strerror(-r));
    s->facts.root = kind->name;
    return 0;
}
