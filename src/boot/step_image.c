/* image: the system image of this generation, as a block device. What is compared here gives a good
 * message; what is trusted is decided by verity, from the signed copy. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/stage1.h"
#include "sys/attribute.h"
#include "sys/loop.h"
#include "sys/mount.h"

/* glibc has no wrapper for openat2(2). */
static int open_beneath(int folder_fd, const char *path)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
    long fd = syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

/* Written by a running system, so it may be anything: the TPM refuses what is not its own. */
static void read_ticket(struct stage1 *s)
{
    _cleanup_close_ int fd = open_beneath(s->slot_fd, INITRD_TICKET);
    ssize_t size = fd < 0 ? -1 : read(fd, s->ticket.bytes, sizeof(s->ticket.bytes));

    s->ticket.size = size > 0 ? (size_t)size : 0;
}

/* The mount leaves the tree at once; the open file keeps the filesystem alive. */
static int open_image(struct stage1 *s, struct failure *f)
{
    int r;

    read_ticket(s);
    s->image_fd = open_beneath(s->slot_fd, INITRD_SYSTEM_IMAGE);
    r = s->image_fd;
    (void)close(take_fd(&s->slot_fd)); /* a folder, read only */
    if (r < 0)
        return failure_set(f, f->code, r, "%s: %s", INITRD_SYSTEM_IMAGE, strerror(-r));
    r = mount_detach(STAGE1_SLOT_MOUNT);
    if (r < 0)
        return failure_set(f, f->code, r, "cannot let go of the slot: %s", strerror(-r));
    (void)rmdir(STAGE1_SLOT_MOUNT); /* an empty folder harms nobody */
    return 0;
}

static int image_size(int fd, uint64_t *ret)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (S_ISBLK(status.st_mode))
        return ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
    if (!S_ISREG(status.st_mode))
        return -EBADF;
    *ret = (uint64_t)status.st_size;
    return 0;
}

static int check_image(const struct stage1 *s, struct failure *f)
{
    uint8_t bytes[SUPERBLOCK_SIZE];
    uint64_t size = 0, wanted = superblock_image_size(&s->superblock);
    int r = image_size(s->image_fd, &size);

    size = size > s->image_offset ? size - s->image_offset : 0;
    if (r == 0 && size < wanted)
        return failure_set(f, f->code, -ENODATA, "the image has %llu bytes, %llu are wanted",
                           (unsigned long long)size, (unsigned long long)wanted);
    if (r == 0)
        r = attribute_read_at(s->image_fd, s->image_offset + superblock_offset(&s->superblock),
                              bytes, sizeof(bytes));
    if (r < 0)
        return failure_set(f, f->code, r, "cannot read the image: %s", strerror(-r));
    if (memcmp(bytes, s->superblock_bytes, sizeof(bytes)) != 0)
        return failure_set(f, CODE_BOOT_IMAGE_FOREIGN, -EKEYREJECTED,
                           "the image's superblock is not the signed one");
    return 0;
}

static int attach(struct stage1 *s, struct failure *f)
{
    struct line name = line_make(s->facts.image_device, sizeof(s->facts.image_device));
    struct loop loop;
    int r = loop_attach(s->image_fd, s->image_offset, &loop);

    if (r < 0)
        return failure_set(f, f->code, r, "no loop device: %s", strerror(-r));
    s->image_device_fd = loop.fd;
    s->facts.direct_io = loop.direct_io;
    line_addf(&name, "loop%u", loop.number);
    (void)close(take_fd(&s->image_fd)); /* the loop device has its own reference */
    return 0;
}

static int note_device(struct stage1 *s, struct failure *f)
{
    struct line device = line_make(s->image_device, sizeof(s->image_device));
    struct stat status;

    if (fstat(s->image_device_fd, &status) < 0)
        return failure_set(f, f->code, -errno, "cannot look at the image's device");
    line_addf(&device, "%u:%u", major(status.st_rdev), minor(status.st_rdev));
    return 0;
}

int step_image(struct stage1 *s, struct failure *f)
{
    bool is_part = s->slot_fd >= 0 || s->image_offset > 0; /* of a device */
    int r = s->slot_fd >= 0 ? open_image(s, f) : 0;

    if (r == 0 && s->image_offset > 0)
        r = devices_request(&s->devices, INITRD_REQUEST_SLOT, f); /* the loop device */
    if (r == 0)
        r = check_image(s, f);
    if (r == 0 && is_part)
        r = attach(s, f);
    if (r < 0)
        return r;
    if (!is_part)
        s->image_device_fd = take_fd(&s->image_fd);
    return note_device(s, f);
}
