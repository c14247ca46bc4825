#include "disk/test_btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { DISK_SIZE = 160 << 20 };

/* A loop device that goes when it is unmounted; its path in `ret`. -1 when there is none. */
static int attach(const char *image, char ret[static 32])
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC),
        fd = open(image, O_RDWR | O_CLOEXEC);
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE), loop = -1;
    struct loop_config config = { .fd = (uint32_t)fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR };

    if (number >= 0) {
        (void)snprintf(ret, 32, "/dev/loop%d", number);
        loop = open(ret, O_RDWR | O_CLOEXEC);
    }
    if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) < 0) {
        (void)close(loop);
        loop = -1;
    }
    if (control >= 0)
        (void)close(control);
    (void)close(fd);
    return loop;
}

static bool format(const char *image)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        (void)execl("/usr/sbin/mkfs.btrfs", "mkfs.btrfs", "--quiet", image, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool mount_it(const struct test_btrfs *b)
{
    char device[32];
    int loop = attach(b->image, device);
    bool done = loop >= 0 && mount(device, b->folder, "btrfs", 0, NULL) == 0;

    if (loop >= 0)
        (void)close(loop);
    return done;
}

static void drop(const struct test_btrfs *b)
{
    (void)rmdir(b->folder);
    (void)unlink(b->image);
}

bool test_btrfs_make(struct test_btrfs *ret)
{
    int fd;

    (void)snprintf(ret->image, sizeof(ret->image), "/tmp/broch-btrfs-XXXXXX");
    (void)snprintf(ret->folder, sizeof(ret->folder), "/tmp/broch-mount-XXXXXX");
    if (geteuid() != 0)
        return false;
    fd = mkostemp(ret->image, O_CLOEXEC);
    assert_true(fd >= 0 && ftruncate(fd, DISK_SIZE) == 0 && close(fd) == 0);
    assert_non_null(mkdtemp(ret->folder));
    if (!format(ret->image)) {
        drop(ret);
        fail_msg("mkfs.btrfs does not run: it is in the package btrfs-progs (./setup.sh)");
    }
    if (!mount_it(ret)) {
        drop(ret);
        return false;
    }
    ret->fd = open(ret->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(ret->fd >= 0);
    return true;
}

void test_btrfs_remove(struct test_btrfs *b)
{
    assert_int_equal(close(b->fd), 0);
    assert_int_equal(umount(b->folder), 0);
    assert_int_equal(rmdir(b->folder), 0);
    assert_int_equal(unlink(b->image), 0);
}
