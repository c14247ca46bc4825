#include "boot/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/number.h"
#include "sys/attribute.h"
#include "sys/uevent.h"

enum {
    ENTRIES_BUFFER_SIZE = 8192,
    MODALIAS_MAX = 1024,           /* keyboards have the longest, some hundred bytes */
    PROCESSOR_MODALIAS_MAX = 8192, /* five characters for each of up to a thousand features */
    SETTLE_ROUNDS_MAX = 100000,
};

int devices_start(struct devices *d, const void *table, size_t table_size, struct failure *f)
{
    d->overrun = false;
    d->tried_count = 0;
    return modules_parse(table, table_size, &d->table, f);
}

static bool was_tried(struct devices *d, const char *name)
{
    for (size_t i = 0; i < d->tried_count; i++) {
        if (strcmp(d->tried[i], name) == 0)
            return true;
    }
    return false;
}

static int load_once(struct devices *d, const char *name)
{
    struct line l;
    int r;

    if (was_tried(d, name))
        return 0;
    if (d->tried_count == INITRD_FILE_COUNT_MAX)
        return -ERANGE;
    l = line_make(d->tried[d->tried_count++], sizeof(d->tried[0]));
    line_add(&l, name);
    r = d->load(d->folder_fd, name);
    return r == -EEXIST || r == -ENODEV ? 0 : r;
}

/* For modules that the boot needs: the first failure ends it. */
struct required {
    struct devices *devices;
    struct failure *failure;
};

static int load_required(const char *name, void *context)
{
    struct required *required = context;
    int r = load_once(required->devices, name);

    return r < 0 ? failure_set(required->failure, CODE_BOOT_MODULE, r, "%s: %s", name, strerror(-r))
                 : 0;
}

/* For modules that a device asks for. */
static int load_wanted(const char *name, void *context)
{
    struct devices *d = context;
    int r = load_once(d, name);

    if (r < 0)
        d->report(name, r, d->report_context);
    return 0;
}

int devices_load_always(struct devices *d, struct failure *f)
{
    struct required required = { d, f };

    return modules_each_load(&d->table, load_required, &required);
}

int devices_request(struct devices *d, const char *word, struct failure *f)
{
    struct required required = { d, f };

    return modules_each_match(&d->table, word, load_required, &required);
}

static void load_for(struct devices *d, const char *modalias)
{
    (void)modules_each_match(&d->table, modalias, load_wanted, d); /* it reports by itself */
}

typedef void (*entry_each)(struct devices *d, int folder_fd, const char *name);

static int each_entry(struct devices *d, int folder_fd, entry_each each)
{
    _Alignas(struct dirent64) char buffer[ENTRIES_BUFFER_SIZE];
    ssize_t size;

    while ((size = getdents64(folder_fd, buffer, sizeof(buffer))) > 0) {
        for (size_t offset = 0; offset < (size_t)size;) {
            const struct dirent64 *entry = (const void *)(buffer + offset);

            offset += entry->d_reclen;
            if (entry->d_name[0] != '.')
                each(d, folder_fd, entry->d_name);
        }
    }
    return size < 0 ? -errno : 0;
}

static void handle_device(struct devices *d, int folder_fd, const char *name)
{
    char path[NAME_MAX + sizeof("/modalias")], modalias[MODALIAS_MAX];
    struct line l = line_make(path, sizeof(path));

    line_add(&l, name);
    line_add(&l, "/modalias");
    /* Most devices have none, and one may go away at any time. */
    if (attribute_read_line(folder_fd, path, modalias, sizeof(modalias)) > 0)
        load_for(d, modalias);
}

static void handle_bus(struct devices *d, int folder_fd, const char *name)
{
    char path[NAME_MAX + sizeof("/devices")];
    struct line l = line_make(path, sizeof(path));
    _cleanup_close_ int fd = -1;

    line_add(&l, name);
    line_add(&l, "/devices");
    fd = openat(folder_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)each_entry(d, fd, handle_device); /* what is not seen here comes as a uevent */
}

/* Processors have no `modalias` of their own; it is told once for all of them. */
void devices_load_processor(struct devices *d)
{
    static char modalias[PROCESSOR_MODALIAS_MAX];

    if (attribute_read_line(d->bus_fd, "../devices/system/cpu/modalias", modalias,
                            sizeof(modalias)) > 0)
        load_for(d, modalias);
}

void devices_coldplug_bus(struct devices *d, const char *bus)
{
    handle_bus(d, d->bus_fd, bus);
}

/* Everything that a driver can bind to is a device of a bus, so /sys/bus has every modalias that
 * counts, in a fraction of the folders of /sys/devices. */
int devices_coldplug(struct devices *d)
{
    d->overrun = false;
    if (lseek(d->bus_fd, 0, SEEK_SET) < 0)
        return -errno;
    return each_entry(d, d->bus_fd, handle_bus);
}

/* Returns true when the event is about a block device. */
static bool handle_event(struct devices *d, const char *buffer, size_t size)
{
    char value[MODALIAS_MAX];
    struct uevent e;

    if (uevent_parse(buffer, size, &e) < 0)
        return false;
    if (e.action == UEVENT_ADD && uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE,
                                               "MODALIAS", value, sizeof(value)) > 0)
        load_for(d, value);
    return uevent_value(e.fields, e.fields_size, UEVENT_END_MESSAGE, "SUBSYSTEM", value,
                        sizeof(value)) > 0 &&
           strcmp(value, "block") == 0;
}

static int recover_overrun(struct devices *d)
{
    return d->overrun ? devices_coldplug(d) : 0;
}

int devices_settle(struct devices *d)
{
    static char buffer[UEVENT_SIZE_MAX];
    bool block = false;

    /* The bound is against a device that comes and goes without end. */
    for (unsigned i = 0; i < SETTLE_ROUNDS_MAX; i++) {
        int r = uevent_receive(d->uevent_fd, buffer);

        if (r == -EAGAIN) {
            if (!d->overrun)
                break;
            r = recover_overrun(d);
            if (r < 0)
                return r;
            block = true;
        } else if (r == -ENOBUFS) {
            d->overrun = true;
        } else if (r < 0 && r != -EBADMSG) {
            return r;
        } else if (r > 0) {
            block |= handle_event(d, buffer, (size_t)r);
        }
    }
    return block;
}

int devices_wait(struct devices *d, uint64_t timeout_ns)
{
    struct pollfd wanted = { .fd = d->uevent_fd, .events = POLLIN };
    struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                .tv_nsec = (long)(timeout_ns % NS_PER_S) };
    int r = ppoll(&wanted, 1, &timeout, NULL);

    if (r < 0)
        return errno == EINTR ? 0 : -errno;
    return r > 0;
}
