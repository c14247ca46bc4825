#include "sys/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/line.h"

/* What every call carries: the kernel's header, then at data_start one target and its text. */
struct dm_message {
    struct dm_ioctl header;
    struct dm_target_spec spec;
    char text[DM_PARAMETERS_MAX];
};

_Static_assert(sizeof(struct dm_ioctl) == 312, "the kernel's header has no padding of ours");
_Static_assert(offsetof(struct dm_message, text) ==
                   sizeof(struct dm_ioctl) + sizeof(struct dm_target_spec),
               "the text follows its target at once");

static void copy_label(char *ret, size_t capacity, const char *label)
{
    struct line l = line_make(ret, capacity);

    line_add(&l, label);
    CHECK(!l.cut);
}

static void message_start(struct dm_message *m, const char *name, uint32_t flags)
{
    memset(m, 0, sizeof(*m));
    /* The lowest version that has everything used here; the kernel checks the major only. */
    m->header.version[0] = DM_VERSION_MAJOR;
    m->header.data_size = sizeof(*m);
    m->header.data_start = offsetof(struct dm_message, spec);
    m->header.flags = flags;
    copy_label(m->header.name, sizeof(m->header.name), name);
}

int dm_open(void)
{
    int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    struct dm_message m;

    if (fd < 0)
        return -errno;
    message_start(&m, "", 0);
    if (ioctl(fd, DM_VERSION, &m) < 0) {
        int error = errno;

        (void)close(fd); /* the reason is in `error` */
        return -error;
    }
    return fd;
}

static int make_device(int fd, const char *name, const char *uuid, dev_t *ret_device)
{
    struct dm_message m;

    message_start(&m, name, 0);
    copy_label(m.header.uuid, sizeof(m.header.uuid), uuid);
    if (ioctl(fd, DM_DEV_CREATE, &m) < 0)
        return errno == EBUSY ? -EEXIST : -errno;
    /* The kernel packs device numbers in its "huge" form here: 12 + 20 bits in 32. */
    *ret_device = makedev((m.header.dev >> 8) & 0xfff,
                          (m.header.dev & 0xff) | ((m.header.dev >> 12) & 0xfff00));
    return 0;
}

static int load_table(int fd, const char *name, const struct dm_target *target)
{
    struct dm_message m;

    message_start(&m, name, DM_READONLY_FLAG);
    m.header.target_count = 1;
    m.spec.length = target->sectors;
    m.spec.next = sizeof(m.spec) + sizeof(m.text);
    copy_label(m.spec.target_type, sizeof(m.spec.target_type), target->type);
    copy_label(m.text, sizeof(m.text), target->parameters);
    return ioctl(fd, DM_TABLE_LOAD, &m) < 0 ? -errno : 0;
}

/* The same call suspends and resumes; without DM_SUSPEND_FLAG it resumes, which is what puts the
 * loaded table into use. */
static int resume(int fd, const char *name)
{
    struct dm_message m;

    message_start(&m, name, 0);
    return ioctl(fd, DM_DEV_SUSPEND, &m) < 0 ? -errno : 0;
}

static void remove_device(int fd, const char *name)
{
    struct dm_message m;

    message_start(&m, name, 0);
    (void)ioctl(fd, DM_DEV_REMOVE, &m); /* the first failure is the one to tell */
}

int dm_create(int control_fd, const char *name, const char *uuid, const struct dm_target *target,
              dev_t *ret_device)
{
    dev_t device;
    int r = make_device(control_fd, name, uuid, &device);

    if (r < 0)
        return r;
    r = load_table(control_fd, name, target);
    if (r == 0)
        r = resume(control_fd, name);
    if (r < 0) {
        remove_device(control_fd, name);
        return r;
    }
    *ret_device = device;
    return 0;
}

int dm_look(int control_fd, const char *name, enum dm_view view, struct dm_live *ret)
{
    struct dm_message m;

    message_start(&m, name, view == DM_VIEW_TABLE ? DM_STATUS_TABLE_FLAG : 0);
    if (ioctl(control_fd, DM_TABLE_STATUS, &m) < 0)
        return -errno;
    if (m.header.flags & DM_BUFFER_FULL_FLAG)
        return -ERANGE;
    if (m.header.data_start != offsetof(struct dm_message, spec) || m.header.target_count != 1 ||
        m.spec.sector_start != 0 || !memchr(m.spec.target_type, '\0', sizeof(m.spec.target_type)) ||
        !memchr(m.text, '\0', sizeof(m.text)))
        return -EBADMSG;
    ret->sectors = m.spec.length;
    copy_label(ret->type, sizeof(ret->type), m.spec.target_type);
    copy_label(ret->text, sizeof(ret->text), m.text);
    return 0;
}
