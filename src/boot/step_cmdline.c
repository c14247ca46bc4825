/* cmdline: the signed copies, and that the kernel was started with what was signed. systemd's stub
 * appends SMBIOS strings and add-ons even under Secure Boot, so the copy inside the signed initrd
 * decides. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "boot/stage1.h"
#include "sys/attribute.h"

/* One byte of newline, one to notice that there is more, one zero. */
enum { RUNNING_SIZE = INITRD_CMDLINE_MAX + 3 };

/* Where in an image to look, and what verity is told besides the root hash. */
static int read_superblock(struct stage1 *s, struct failure *f)
{
    _cleanup_close_ int fd = open(INITRD_SUPERBLOCK, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : attribute_read_at(fd, 0, s->superblock_bytes, SUPERBLOCK_SIZE);

    if (r == 0)
        r = superblock_parse(s->superblock_bytes, &s->superblock);
    return r < 0 ? failure_set(f, CODE_BOOT_VERITY, r, "%s: %s", INITRD_SUPERBLOCK, strerror(-r))
                 : 0;
}

static int read_copy(struct stage1 *s, struct failure *f)
{
    int r = attribute_read(AT_FDCWD, INITRD_CMDLINE, s->cmdline, sizeof(s->cmdline));

    if (r < 0)
        return failure_set(f, f->code, r, "cannot read %s: %s", INITRD_CMDLINE, strerror(-r));
    s->cmdline_length = (size_t)r;
    return 0;
}

static int compare(const struct stage1 *s, struct failure *f)
{
    static char running[RUNNING_SIZE];
    int r = attribute_read(AT_FDCWD, "/proc/cmdline", running, sizeof(running));

    if (r < 0 && r != -ERANGE)
        return failure_set(f, f->code, r, "cannot read /proc/cmdline: %s", strerror(-r));
    if (r < 0 || !cmdline_same(s->cmdline, s->cmdline_length, running, (size_t)r))
        return failure_set(f, f->code, -EKEYREJECTED,
                           "/proc/cmdline differs from the signed command line");
    return 0;
}

int step_cmdline(struct stage1 *s, struct failure *f)
{
    int r = read_copy(s, f);

    if (r < 0)
        return r;
    r = compare(s, f);
    if (r == 0)
        r = cmdline_parse(s->cmdline, s->cmdline_length, &s->facts.cmdline, f);
    return r < 0 ? r : read_superblock(s, f);
}
