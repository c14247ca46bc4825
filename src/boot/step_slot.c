/* slot: the partition that this UKI was started from, by its identity; or, on media without
 * partitions and when the kernel was started directly, the device that carries the image. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/line.h"
#include "base/number.h"
#include "boot/clock.h"
#include "boot/live.h"
#include "boot/stage1.h"
#include "disk/gpt.h"
#include "sys/attribute.h"
#include "sys/mount.h"
#include "sys/uevent.h"

#define LOOK_NS      (10 * NS_PER_S) /* the watchdog wants to hear of us */
#define BLOCK_FOLDER "/sys/class/block"

enum {
    SECTOR_SIZE = 512, /* the unit of sysfs, whatever the disk's own */
    DEADLINE_S = 30,   /* a large array of disks spins up in less */
    ENTRIES_BUFFER_SIZE = 4096,
    UEVENT_FILE_SIZE = 1024, /* of a block device: some ten short fields */
};

/* One look at all block devices. */
struct scan {
    struct stage1 *stage1;
    unsigned count; /* partitions with the slot's UUID; or 1 when the image was found */
    struct partition found;
    struct partition_device disk; /* of the partition that was found */
};

/* One block device: its folder in sysfs below `folder_fd`, and the fields of its uevent file. */
struct scan_device {
    int folder_fd;
    const char *name;
    const char *fields;
    size_t fields_size;
};

typedef void (*scan_each)(struct scan *scan, const struct scan_device *d);

/* Reads <folder_fd>/<name>/<attribute>. */
static int read_attribute(const struct scan_device *d, const char *attribute, char *ret,
                          size_t capacity)
{
    char path[NAME_MAX + 64];
    struct line l = line_make(path, sizeof(path));

    line_addf(&l, "%s/%s", d->name, attribute);
    return l.cut ? -ENAMETOOLONG : attribute_read_line(d->folder_fd, path, ret, capacity);
}

static int read_number(const struct scan_device *d, const char *attribute, uint64_t *ret)
{
    char text[32];
    int r = read_attribute(d, attribute, text, sizeof(text));

    return r < 0 ? r : number_parse(text, (size_t)r, INT64_MAX, ret);
}

static void scan_entry(struct scan *scan, int folder_fd, const char *name, scan_each each)
{
    char path[NAME_MAX + sizeof("/uevent")], fields[UEVENT_FILE_SIZE];
    struct scan_device d = { folder_fd, name, fields, 0 };
    struct line l = line_make(path, sizeof(path));
    int size;

    line_addf(&l, "%s/uevent", name);
    size = attribute_read(folder_fd, path, fields, sizeof(fields));
    d.fields_size = size > 0 ? (size_t)size : 0;
    if (size > 0) /* else the device has just gone */
        each(scan, &d);
}

static int scan_blocks(struct scan *scan, scan_each each)
{
    _Alignas(struct dirent64) char buffer[ENTRIES_BUFFER_SIZE];
    _cleanup_close_ int fd = open(BLOCK_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return -errno;
    while ((size = getdents64(fd, buffer, sizeof(buffer))) > 0) {
        for (size_t offset = 0; offset < (size_t)size;) {
            const struct dirent64 *entry = (const void *)(buffer + offset);

            offset += entry->d_reclen;
            if (entry->d_name[0] != '.')
                scan_entry(scan, fd, entry->d_name, each);
        }
    }
    return size < 0 ? -errno : 0;
}

/* Opens the node of a device and makes sure that it is the one that sysfs spoke of. */
static int open_device(const struct partition_device *d)
{
    char path[sizeof("/dev/") + PARTITION_NAME_MAX];
    struct line l = line_make(path, sizeof(path));
    _cleanup_close_ int fd = -1;
    struct stat status;

    line_add(&l, "/dev/");
    line_add(&l, d->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISBLK(status.st_mode) || status.st_rdev != makedev(d->major, d->minor))
        return -ENODEV;
    return take_fd(&fd);
}

/* The disk that a partition is on. The folder of a partition is inside its disk's, and `name` is a
 * link to it, so that `..` is the disk. */
static int read_disk(const struct scan_device *d, struct partition_device *ret)
{
    char fields[UEVENT_FILE_SIZE], path[NAME_MAX + 64];
    struct line l = line_make(path, sizeof(path));
    int r;

    line_addf(&l, "%s/../uevent", d->name);
    r = attribute_read(d->folder_fd, path, fields, sizeof(fields));
    return r < 0 ? r : partition_device_parse(fields, (size_t)r, ret);
}

static int open_disk(const struct scan_device *d, uint32_t *ret_block_size)
{
    struct partition_device disk;
    uint64_t block_size;
    int r = read_disk(d, &disk);

    if (r >= 0)
        r = read_number(d, "../queue/logical_block_size", &block_size);
    if (r < 0)
        return r;
    if (block_size < SECTOR_SIZE || block_size > GPT_BLOCK_SIZE_MAX)
        return -ENOTSUP;
    *ret_block_size = (uint32_t)block_size;
    return open_device(&disk);
}

/* The two copies of a table. The kernel takes the first one that is whole ("gpt" on its command
 * line makes it look at the backup), and so may the firmware. After a power cut in the middle of
 * making a disk this machine's own, they tell different GUIDs; whoever matches is the one that was
 * meant. */
enum table { TABLE_FIRST, TABLE_BACKUP, TABLE_COUNT };

static int header_block(const struct scan_device *d, enum table table, uint32_t block_size,
                        uint64_t *ret)
{
    uint64_t size;
    int r = read_number(d, "../size", &size);

    *ret = GPT_FIRST_BLOCK;
    if (r < 0 || table == TABLE_FIRST)
        return r;
    size /= block_size / SECTOR_SIZE;
    *ret = size - 1;
    return size > 1 ? 0 : -EBADMSG;
}

static int read_header(const struct scan_device *d, int fd, enum table table, uint32_t block_size,
                       struct gpt_header *ret)
{
    uint8_t bytes[GPT_BLOCK_SIZE_MAX];
    uint64_t block;
    int r = header_block(d, table, block_size, &block);

    if (r == 0)
        r = attribute_read_at(fd, block * block_size, bytes, block_size);
    return r < 0 ? r : gpt_header_parse(bytes, block_size, block, ret);
}

/* The entry of partition `number` in one of the tables. */
static int read_entry(const struct scan_device *d, enum table table, uint32_t number,
                      uint32_t *ret_block_size, struct gpt_entry *ret)
{
    uint8_t bytes[GPT_ENTRY_SIZE_MIN];
    struct gpt_header header;
    uint32_t block_size = 0;
    uint64_t offset;
    _cleanup_close_ int fd = open_disk(d, &block_size);
    int r;

    if (fd < 0)
        return fd;
    r = read_header(d, fd, table, block_size, &header);
    if (r == 0)
        r = gpt_entry_offset(&header, number, block_size, &offset);
    if (r == 0)
        r = attribute_read_at(fd, offset, bytes, sizeof(bytes));
    *ret_block_size = block_size;
    return r < 0 ? r : gpt_entry_parse(bytes, ret);
}

/* True when the kernel means the same range of the disk by this partition as its entry. */
static bool agrees(const struct scan_device *d, const struct gpt_entry *e, uint32_t block_size)
{
    uint64_t start, size, sectors = block_size / SECTOR_SIZE;

    return read_number(d, "start", &start) == 0 && read_number(d, "size", &size) == 0 &&
           start % sectors == 0 && size % sectors == 0 && start / sectors == e->first_block &&
           size / sectors == e->last_block - e->first_block + 1;
}

/* True when one of the tables says of partition `number` what `is` asks for. */
static bool some_entry(const struct scan_device *d, uint32_t number, const char *wanted,
                       bool (*is)(const struct gpt_entry *e, const char *wanted))
{
    for (enum table table = TABLE_FIRST; table < TABLE_COUNT; table++) {
        uint32_t block_size;
        struct gpt_entry entry;

        if (read_entry(d, table, number, &block_size, &entry) == 0 &&
            agrees(d, &entry, block_size) && is(&entry, wanted))
            return true;
    }
    return false;
}

static bool has_uuid(const struct gpt_entry *e, const char *wanted)
{
    return strcmp(e->uuid.text, wanted) == 0;
}

static bool has_type(const struct gpt_entry *e, const char *wanted)
{
    return strcmp(e->type.text, wanted) == 0;
}

static void match_uuid(struct scan *scan, const struct scan_device *d)
{
    struct partition p;

    if (partition_parse(d->fields, d->fields_size, &p) < 0 ||
        !some_entry(d, p.number, scan->stage1->slot_uuid.text, has_uuid) ||
        read_disk(d, &scan->disk) < 0)
        return;
    scan->count++;
    scan->found = p;
}

static void match_persist(struct scan *scan, const struct scan_device *d)
{
    const struct partition_device *slot_disk = &scan->stage1->slot_disk;
    struct partition_device disk;
    struct partition p;

    if (partition_parse(d->fields, d->fields_size, &p) < 0 || read_disk(d, &disk) < 0 ||
        disk.major != slot_disk->major || disk.minor != slot_disk->minor ||
        !some_entry(d, p.number, GPT_TYPE_LUKS, has_type))
        return;
    scan->count++;
    scan->found = p;
}

int step_slot_find_persist(struct stage1 *s, struct partition *ret)
{
    struct scan scan = { .stage1 = s };
    int r;

    if (s->slot_device.name[0] == '\0')
        return -ENOENT;
    r = scan_blocks(&scan, match_persist);
    if (r < 0)
        return r;
    *ret = scan.found;
    return scan.count == 1 ? 0 : scan.count == 0 ? -ENOENT : -ENOTUNIQ;
}

static void match_slot(struct scan *scan, const struct scan_device *d)
{
    const struct partition_device *slot = &scan->stage1->slot_device;
    struct facts *facts = &scan->stage1->facts;
    struct line uuid;
    uint32_t block_size;
    struct gpt_entry entry;
    struct partition p;

    if (partition_parse(d->fields, d->fields_size, &p) < 0 || p.device.major != slot->major ||
        p.device.minor != slot->minor ||
        read_entry(d, TABLE_FIRST, p.number, &block_size, &entry) < 0)
        return;
    uuid = line_make(facts->partuuid, sizeof(facts->partuuid));
    line_add(&uuid, entry.uuid.text);
    scan->count++;
}

int step_slot_renamed(struct stage1 *s, struct failure *f)
{
    struct scan scan = { .stage1 = s };
    int r = scan_blocks(&scan, match_slot);

    if (r < 0 || scan.count != 1)
        return failure_set(f, CODE_PERSIST_TABLE, r < 0 ? r : -EBADMSG,
                           "the slot is not in the table that was just written");
    return 0;
}

/* Devices that cannot be what the firmware or a person gave us to boot from; opening a floppy drive
 * takes seconds. */
static bool is_virtual(const char *name)
{
    static const char *const prefixes[] = { "loop", "dm-", "ram", "zram", "nbd", "md", "fd" };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

static void match_content(struct scan *scan, const struct scan_device *device)
{
    uint8_t bytes[SUPERBLOCK_SIZE];
    struct stage1 *s = scan->stage1;
    const struct live_wanted wanted = { &s->superblock, s->superblock_bytes };
    struct partition_device d;
    struct partition p;
    _cleanup_close_ int fd = -1;

    /* Several are harmless: whichever is taken, verity decides. A live medium is one thing, as a
     * stick with partitions and as a CD without. */
    if (scan->count > 0 || partition_device_parse(device->fields, device->fields_size, &d) < 0 ||
        is_virtual(d.name) || partition_parse(device->fields, device->fields_size, &p) == 0)
        return;
    fd = open_device(&d);
    if (fd < 0)
        return;
    if (attribute_read_at(fd, superblock_offset(&s->superblock), bytes, sizeof(bytes)) == 0 &&
        memcmp(bytes, s->superblock_bytes, sizeof(bytes)) == 0)
        s->image_offset = 0;
    else if (live_find(fd, &wanted, &s->image_offset) < 0)
        return;
    s->image_fd = take_fd(&fd);
    scan->found.device = d;
    scan->count = 1;
}

static int search(struct stage1 *s, scan_each each, struct scan *ret, struct failure *f)
{
    uint64_t deadline_ns = clock_ns() + DEADLINE_S * NS_PER_S;

    for (;;) {
        struct scan scan = { .stage1 = s };
        enum partition_verdict verdict;
        uint64_t now_ns;
        int r = devices_settle(&s->devices);

        if (r >= 0)
            r = scan_blocks(&scan, each);
        now_ns = clock_ns();
        verdict = partition_decide(&(struct partition_search){
            .count = scan.count, .settled = true, .now_ns = now_ns, .deadline_ns = deadline_ns });
        *ret = scan;
        if (verdict == PARTITION_FOUND)
            return 0;
        if (verdict == PARTITION_TWICE)
            return failure_set(f, CODE_BOOT_SLOT_TWICE, -ENOTUNIQ, "two partitions are %s",
                               s->slot_uuid.text);
        if (verdict == PARTITION_MISSING)
            return failure_set(f, f->code, -ENODEV, "nothing in %d s", DEADLINE_S);
        stage1_alive(s);
        if (r >= 0)
            r = devices_wait(&s->devices,
                             deadline_ns - now_ns < LOOK_NS ? deadline_ns - now_ns : LOOK_NS);
        if (r < 0)
            return failure_set(f, f->code, r, "cannot look for devices: %s", strerror(-r));
    }
}

bool step_slot_is_doubled(struct stage1 *s)
{
    struct scan scan = { .stage1 = s };

    if (!s->slot_uuid.text[0])
        return false;
    return devices_settle(&s->devices) >= 0 && scan_blocks(&scan, match_uuid) >= 0 &&
           scan.count > 1;
}

/* The slot is a FAT filesystem that anybody with the disk may have written: as little of it as
 * possible is used, for as short as possible. */
static int mount_slot(struct stage1 *s, const struct partition *p, struct failure *f)
{
    char path[sizeof("/dev/") + PARTITION_NAME_MAX];
    struct line l = line_make(path, sizeof(path));
    struct mount_request slot = { path, STAGE1_SLOT_MOUNT, "vfat",
                                  MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, "umask=077" };
    _cleanup_close_ int fd = open_device(&p->device);
    int r = fd < 0 ? fd : 0;

    line_add(&l, "/dev/");
    line_add(&l, p->device.name);
    if (r == 0 && mkdir(STAGE1_SLOT_MOUNT, 0700) < 0)
        r = -errno;
    if (r == 0)
        r = mount_make(&slot);
    if (r < 0)
        return failure_set(f, CODE_BOOT_SLOT_MOUNT, r, "%s: %s", path, strerror(-r));
    s->slot_fd = open(STAGE1_SLOT_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->slot_fd < 0 ? failure_set(f, CODE_BOOT_SLOT_MOUNT, -errno, "%s", path) : 0;
}

static int find_slot(struct stage1 *s, struct failure *f)
{
    struct line uuid = line_make(s->facts.partuuid, sizeof(s->facts.partuuid));
    struct scan scan;
    const struct partition *p = &scan.found;

    if (devices_request(&s->devices, INITRD_REQUEST_SLOT, f) < 0 ||
        search(s, match_uuid, &scan, f) < 0)
        return f->cause;
    s->facts.slot = partition_slot_name(p->number);
    if (!s->facts.slot)
        return failure_set(f, f->code, -EBADMSG, "partition number %u is no slot", p->number);
    s->facts.source = "slot";
    s->slot_device = p->device;
    s->slot_disk = scan.disk;
    line_add(&uuid, s->slot_uuid.text);
    return mount_slot(s, p, f);
}

static void note_image(struct stage1 *s, const struct partition_device *d)
{
    struct line name = line_make(s->facts.image_device, sizeof(s->facts.image_device));

    s->facts.slot = s->image_offset > 0 ? "live" : "direct";
    s->facts.source = "device";
    line_add(&name, d->name);
}

bool step_slot_find_by_content(struct stage1 *s)
{
    struct scan scan = { .stage1 = s };

    if (scan_blocks(&scan, match_content) < 0 || scan.count == 0)
        return false;
    note_image(s, &scan.found.device);
    return true;
}

static int find_image(struct stage1 *s, struct failure *f)
{
    struct scan scan;

    if (s->image_fd >= 0) /* step_modules has seen it */
        return 0;
    f->code = CODE_BOOT_IMAGE_MISSING;
    if (search(s, match_content, &scan, f) < 0)
        return f->cause;
    note_image(s, &scan.found.device);
    return 0;
}

int step_slot(struct stage1 *s, struct failure *f)
{
    return s->slot_uuid.text[0] ? find_slot(s, f) : find_image(s, f);
}
