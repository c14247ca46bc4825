/* switch: the facts, then the new root and its own PID 1. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/clock.h"
#include "boot/stage1.h"
#include "sys/mount.h"

static int write_facts(const struct stage1 *s)
{
    static char text[FACTS_SIZE];
    struct line l = line_make(text, sizeof(text));
    _cleanup_close_ int fd =
        open(INITRD_FACTS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    ssize_t written;

    facts_write(&s->facts, &l);
    if (fd < 0)
        return -errno;
    written = write(fd, text, l.length);
    if (written < 0)
        return -errno;
    return (size_t)written == l.length ? 0 : -EIO;
}

int step_switch(struct stage1 *s, struct failure *f)
{
    static const char *const moved[] = { "/dev", "/proc", "/sys", "/run", NULL };
    static char program[] = INITRD_NEXT_PROGRAM;
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const arguments[] = { program, NULL };
    char *const environment[] = { path, NULL };
    int r = write_facts(s);

    if (r < 0)
        return failure_set(f, f->code, r, "cannot write %s: %s", INITRD_FACTS, strerror(-r));
    /* Looked at before anything is moved, because from there on there is no way back. */
    if (access(STAGE1_NEW_ROOT INITRD_NEXT_PROGRAM, X_OK) < 0)
        return failure_set(f, f->code, -errno, "%s: %s", INITRD_NEXT_PROGRAM, strerror(errno));
    r = mount_switch_root(STAGE1_NEW_ROOT, moved);
    if (r < 0)
        return failure_set(f, f->code, r, "cannot change the root: %s", strerror(-r));
    stage1_step_done(s, "switch");
    (void)execve(program, arguments, environment); /* only comes back with an error */
    return failure_set(f, f->code, -errno, "%s: %s", INITRD_NEXT_PROGRAM, strerror(errno));
}
