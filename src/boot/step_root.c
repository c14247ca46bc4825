/* root: the filesystem that becomes the machine's root. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "boot/root_choice.h"
#include "boot/stage1.h"
#include "sys/mount.h"

/* Kinds of root. There is one now; a writable root from persist comes as a second entry. The system
 * image is mounted first in any case, because what makes and opens the disk comes from it. */
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

/* A choice that this generation cannot follow is told, and the machine starts with the system. */
void root_choose(struct stage1 *s, int persist_fd)
{
    struct failure f = FAILURE_NONE;
    char text[ROOT_CHOICE_MAX];
    _cleanup_close_ int fd =
        openat(persist_fd, ROOT_CHOICE_FILE, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));

    if (fd < 0 && errno == ENOENT)
        return;
    if (size < 0)
        (void)failure_set(&f, CODE_BOOT_ROOT, -errno, ROOT_CHOICE_FILE ": %s", strerror(errno));
    if (size < 0 || root_choice_parse(text, (size_t)size, &s->facts.root, &f) < 0)
        stage1_note(s, "root-refused", f.text);
}
