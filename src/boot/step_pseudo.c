/* pseudo: the kernel's own filesystems, the console and the modules' table. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "boot/stage1.h"
#include "sys/console.h"
#include "sys/efivars.h"
#include "sys/module.h"
#include "sys/mount.h"
#include "sys/uevent.h"

/* Devices come first: without them there is not even a console to complain on. A kernel with
 * CONFIG_DEVTMPFS_MOUNT was here before. */
static int open_console(struct stage1 *s)
{
    static const struct mount_request devices = { "devtmpfs", "/dev", "devtmpfs",
                                                  MS_NOSUID | MS_NOEXEC, "mode=0755" };
    int r = mount_make(&devices);

    if (r < 0 && r != -EBUSY)
        return r;
    r = console_standard();
    if (r == 0)
        r = s->kmsg_fd = console_open();
    return r < 0 ? r : 0;
}

static const struct mount_request mounts[] = {
    { "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
    { "sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
    { "tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755" },
};

static int mount_all(struct failure *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        int r = mount_make(&mounts[i]);

        if (r < 0)
            return failure_set(f, f->code, r, "cannot mount %s: %s", mounts[i].target,
                               strerror(-r));
    }
    if (mkdir(STAGE1_STATE, 0755) < 0)
        return failure_set(f, f->code, -errno, "cannot make %s", STAGE1_STATE);
    return 0;
}

static void report_module(const char *name, int error, void *context)
{
    const struct stage1 *s = context;
    char text[128];
    struct line l = line_make(text, sizeof(text));

    line_addf(&l, "%s: %s", name, strerror(-error));
    stage1_note(s, "module-refused", text);
}

/* The table is used where it lies, in the memory of the initramfs. It stays mapped for ever. */
static int map_table(const void **ret_bytes, size_t *ret_size)
{
    _cleanup_close_ int fd = open(INITRD_MODULES, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *bytes;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < 0 || status.st_size > INITRD_MODULES_SIZE_MAX)
        return -ERANGE;
    if (status.st_size == 0) { /* a kernel with everything built in */
        *ret_bytes = "";
        *ret_size = 0;
        return 0;
    }
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    *ret_bytes = bytes;
    *ret_size = (size_t)status.st_size;
    return 0;
}

/* The socket is opened before the first module is loaded, so that no device slips in between what
 * coldplug sees and what uevents tell. */
static int open_devices(struct stage1 *s, struct failure *f)
{
    struct devices *d = &s->devices;
    const void *table = NULL;
    size_t size = 0;
    int r = map_table(&table, &size);

    if (r < 0)
        return failure_set(f, CODE_BOOT_MODULE, r, "cannot read %s: %s", INITRD_MODULES,
                           strerror(-r));
    d->load = module_load;
    d->report = report_module;
    d->report_context = s;
    d->folder_fd = open(INITRD_MODULE_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d->bus_fd = open("/sys/bus", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d->uevent_fd = uevent_open();
    if (d->bus_fd < 0 || d->uevent_fd < 0)
        return failure_set(f, f->code, -ENODEV, "cannot follow devices: no %s",
                           d->bus_fd < 0 ? "/sys/bus" : "uevents");
    return devices_start(d, table, size, f);
}

/* Firmware that gives no variables at run time (real-time kernels, some boards) is no failure: the
 * boot then goes on as without EFI, and a failure halts. */
static int open_efivars(struct stage1 *s, struct failure *f)
{
    static const struct mount_request efivars = { "efivarfs", EFIVARS_FOLDER, "efivarfs",
                                                  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL };
    int r;

    if (access("/sys/firmware/efi", F_OK) < 0)
        return 0;
    if (devices_request(&s->devices, INITRD_REQUEST_EFI, f) < 0)
        return f->cause;
    r = mount_make(&efivars);
    if (r == -ENODEV) /* the kernel does not know the filesystem: a wrong build */
        return failure_set(f, f->code, r, "the kernel has no efivarfs");
    if (r == 0)
        s->efivars_fd = open(EFIVARS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->efivars_fd < 0)
        stage1_note(s, "efivars-missing", strerror(r < 0 ? -r : errno));
    return 0;
}

static void note_kernel(struct stage1 *s)
{
    struct line l = line_make(s->facts.kernel, sizeof(s->facts.kernel));
    struct utsname names;

    if (uname(&names) == 0)
        line_add(&l, names.release);
}

int step_pseudo(struct stage1 *s, struct failure *f)
{
    int r = open_console(s);

    if (r < 0)
        return failure_set(f, f->code, r, "no console: %s", strerror(-r));
    r = mount_all(f);
    if (r < 0)
        return r;
    /* Ctrl-Alt-Del shall not cut a boot short, and PID 1 has no handler for its signal. */
    (void)reboot(RB_DISABLE_CAD);
    note_kernel(s);
    r = open_devices(s, f);
    return r < 0 ? r : open_efivars(s, f);
}
